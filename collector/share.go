package collector

// Share is a part of the machine without a cgroup around it: what one of several
// workers has that share a machine where no cgroups can be made. CPU usage and
// memory are those of what it runs; all else is the machine's.
type Share struct {
	Cores  float64
	Memory float64 // bytes
	// Use is what is used of it: CPU seconds, which only grow, and bytes of
	// memory. It is called at every reading, by several at the same time.
	Use func() (cpuSeconds, memory float64, err error)
}

// narrowMemory returns what the share and its use leave of the machine's memory:
// no more than the machine has available.
func (s *Share) narrowMemory(r memoryReading) (memoryReading, error) {
	_, used, err := s.Use()
	if err != nil {
		return r, err
	}
	r.total = uint64(min(s.Memory, float64(r.total)))
	r.available = uint64(min(float64(r.available), max(0, float64(r.total)-used)))
	return r, nil
}
