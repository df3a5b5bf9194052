package task

// Resources is what a task asks for, or what a machine has to give.
type Resources struct {
	Cpu    float64 // cores
	Memory Bytes
	Disk   Bytes
}

// A request of 0 counts as this much in promises and scores, so that a burst
// of tasks without requests does not herd onto one machine. The figures are
// those the Kubernetes scheduler assumes for a pod without requests
// (DefaultMilliCPURequest, DefaultMemoryRequest). It bounds nothing: a task
// without a request runs without that limit. Disk has no default.
const (
	DefaultCpu    = 0.1       // cores
	DefaultMemory = 200 << 20 // bytes
)

// Promise is what the task holds of a machine while it is there: its requests,
// with the documented default for a CPU or memory request of 0.
func (t *Task) Promise() Resources {
	r := Resources{Cpu: t.Cpu, Memory: t.Memory, Disk: t.Disk}
	if r.Cpu == 0 {
		r.Cpu = DefaultCpu
	}
	if r.Memory == 0 {
		r.Memory = DefaultMemory
	}
	return r
}

// Add returns the sum of r and o.
func (r Resources) Add(o Resources) Resources {
	return Resources{Cpu: r.Cpu + o.Cpu, Memory: r.Memory + o.Memory, Disk: r.Disk + o.Disk}
}

// Sub returns r less o. A part can come out negative.
func (r Resources) Sub(o Resources) Resources {
	return Resources{Cpu: r.Cpu - o.Cpu, Memory: r.Memory - o.Memory, Disk: r.Disk - o.Disk}
}
