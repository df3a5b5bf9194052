package supervise

// Limit is one resource limit, as of setrlimit(2).
type Limit struct {
	Resource   int // syscall.RLIMIT_*
	Soft, Hard uint64
}
