//go:build unix

package scrape

import "golang.org/x/sys/unix"

// maxIdle is how many idle connections may be kept: 0.8 of the limit of open
// files.
func maxIdle() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return defaultIdle
	}
	return idleWithin(uint64(limit.Cur)) //nolint:unconvert // it is signed on FreeBSD
}
