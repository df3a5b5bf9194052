package scrape

// defaultIdle is how many idle connections are kept where the limit of open
// files is not known; mostIdle where it is higher than any fleet needs.
const (
	defaultIdle = 800
	mostIdle    = 100_000
)

// idleWithin returns how many idle connections suit a limit of open files.
func idleWithin(files uint64) int {
	return int(max(1, min(files, mostIdle*10/8)*8/10))
}
