//go:build !unix

package scrape

// maxIdle is how many idle connections may be kept.
func maxIdle() int { return defaultIdle }
