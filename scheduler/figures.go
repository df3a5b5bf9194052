package scheduler

// Figures is what a node looks like to the scorers: the figures of [Inputs]
// with [Absent] where Inputs has null.
type Figures struct {
	ReadingAge float64 // seconds
	Stale      bool

	CpuUsage     float64 // busy share, 0–1
	CpuCores     float64
	CpuExpected  float64 // cores
	CpuPromised  float64 // cores
	CpuLimit     float64 // cores
	CpuDeviation float64 // of CpuUsage
	CpuMean      float64 // cores
	CpuVariance  float64 // cores²
	CpuTogether  float64 // cores²
	CpuGroup     float64 // cores

	MemoryTotal     float64 // bytes
	MemoryAvailable float64 // bytes
	MemoryExpected  float64 // bytes
	MemoryPromised  float64 // bytes
	MemoryLimit     float64 // bytes
	MemoryDeviation float64 // of the used share

	DiskAvailable float64 // bytes
	DiskExpected  float64 // bytes
	DiskPromised  float64 // bytes
	DiskLimit     float64 // bytes

	Tasks int
	Turn  uint64
}

// Capacity returns the node's capacity; 0 where it is not known.
func (f *Figures) Capacity() Capacity {
	return Capacity{
		CpuCores:    orZero(f.CpuCores),
		CpuLimit:    orZero(f.CpuLimit),
		MemoryTotal: orZero(f.MemoryTotal),
		MemoryLimit: orZero(f.MemoryLimit),
		DiskLimit:   orZero(f.DiskLimit),
	}
}

func orZero(v float64) float64 {
	if !Known(v) {
		return 0
	}
	return v
}

// Share returns part/whole, the share of a resource in use, and 1 where it
// cannot be told: what is not known never looks empty.
func Share(part, whole float64) float64 {
	if !Known(part) || !(whole > 0) {
		return 1
	}
	return part / whole
}

// Inputs returns the figures as a Decision keeps them.
func (f *Figures) Inputs() Inputs {
	room := make(optionals, 0, optionalInputs)
	return f.inputs(&room)
}

// optionals are the values of figures that may be null: one allocation for
// many of them.
type optionals []float64

// optionalInputs is how many of them a node's Inputs have.
const optionalInputs = 6

// value returns where v is kept; nil for what is absent. There must be room.
func (o *optionals) value(v float64) *float64 {
	if !Known(v) {
		return nil
	}
	*o = append(*o, v)
	return &(*o)[len(*o)-1]
}

func (f *Figures) inputs(room *optionals) Inputs {
	optional := room.value
	return Inputs{
		ReadingAge: optional(f.ReadingAge), Stale: f.Stale,

		CpuUsageRatio: optional(f.CpuUsage), CpuCores: optional(f.CpuCores),
		CpuExpected: f.CpuExpected, CpuPromised: f.CpuPromised,
		CpuLimit: f.CpuLimit, CpuDeviation: f.CpuDeviation,
		CpuMean: f.CpuMean, CpuVariance: f.CpuVariance, CpuTogether: f.CpuTogether, CpuGroup: f.CpuGroup,

		MemoryTotal: optional(f.MemoryTotal), MemoryAvailable: optional(f.MemoryAvailable),
		MemoryExpected: f.MemoryExpected, MemoryPromised: f.MemoryPromised,
		MemoryLimit: f.MemoryLimit, MemoryDeviation: f.MemoryDeviation,

		DiskAvailable: optional(f.DiskAvailable), DiskExpected: f.DiskExpected,
		DiskPromised: f.DiskPromised, DiskLimit: f.DiskLimit,

		Tasks: f.Tasks, Turn: f.Turn,
	}
}

// Figures returns the inputs as the scorers take them.
func (in *Inputs) Figures() Figures {
	value := func(v *float64) float64 {
		if v == nil {
			return Absent()
		}
		return *v
	}
	return Figures{
		ReadingAge: value(in.ReadingAge), Stale: in.Stale,

		CpuUsage: value(in.CpuUsageRatio), CpuCores: value(in.CpuCores),
		CpuExpected: in.CpuExpected, CpuPromised: in.CpuPromised,
		CpuLimit: in.CpuLimit, CpuDeviation: in.CpuDeviation,
		CpuMean: in.CpuMean, CpuVariance: in.CpuVariance, CpuTogether: in.CpuTogether, CpuGroup: in.CpuGroup,

		MemoryTotal: value(in.MemoryTotal), MemoryAvailable: value(in.MemoryAvailable),
		MemoryExpected: in.MemoryExpected, MemoryPromised: in.MemoryPromised,
		MemoryLimit: in.MemoryLimit, MemoryDeviation: in.MemoryDeviation,

		DiskAvailable: value(in.DiskAvailable), DiskExpected: in.DiskExpected,
		DiskPromised: in.DiskPromised, DiskLimit: in.DiskLimit,

		Tasks: in.Tasks, Turn: in.Turn,
	}
}
