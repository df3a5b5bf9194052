package scheduler

// Figures is what a node looks like to the scorers: the figures of [Inputs]
// with [Absent] for what is not known.
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
	MemorySquares   float64 // bytes²

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
	var in Inputs
	f.write(&in)
	return in
}

// write writes the figures as a Decision keeps them.
func (f *Figures) write(in *Inputs) {
	*in = Inputs{
		ReadingAge: FigureOf(f.ReadingAge), Stale: f.Stale,

		CpuUsageRatio: FigureOf(f.CpuUsage), CpuCores: FigureOf(f.CpuCores),
		CpuExpected: f.CpuExpected, CpuPromised: f.CpuPromised,
		CpuLimit: f.CpuLimit, CpuDeviation: f.CpuDeviation,
		CpuMean: f.CpuMean, CpuVariance: f.CpuVariance, CpuTogether: f.CpuTogether, CpuGroup: f.CpuGroup,

		MemoryTotal: FigureOf(f.MemoryTotal), MemoryAvailable: FigureOf(f.MemoryAvailable),
		MemoryExpected: f.MemoryExpected, MemoryPromised: f.MemoryPromised,
		MemoryLimit: f.MemoryLimit, MemoryDeviation: f.MemoryDeviation, MemorySquares: f.MemorySquares,

		DiskAvailable: FigureOf(f.DiskAvailable), DiskExpected: f.DiskExpected,
		DiskPromised: f.DiskPromised, DiskLimit: f.DiskLimit,

		Tasks: f.Tasks, Turn: f.Turn,
	}
}

// Figures returns the inputs as the scorers take them.
func (in *Inputs) Figures() Figures {
	return Figures{
		ReadingAge: in.ReadingAge.Value(), Stale: in.Stale,

		CpuUsage: in.CpuUsageRatio.Value(), CpuCores: in.CpuCores.Value(),
		CpuExpected: in.CpuExpected, CpuPromised: in.CpuPromised,
		CpuLimit: in.CpuLimit, CpuDeviation: in.CpuDeviation,
		CpuMean: in.CpuMean, CpuVariance: in.CpuVariance, CpuTogether: in.CpuTogether, CpuGroup: in.CpuGroup,

		MemoryTotal: in.MemoryTotal.Value(), MemoryAvailable: in.MemoryAvailable.Value(),
		MemoryExpected: in.MemoryExpected, MemoryPromised: in.MemoryPromised,
		MemoryLimit: in.MemoryLimit, MemoryDeviation: in.MemoryDeviation, MemorySquares: in.MemorySquares,

		DiskAvailable: in.DiskAvailable.Value(), DiskExpected: in.DiskExpected,
		DiskPromised: in.DiskPromised, DiskLimit: in.DiskLimit,

		Tasks: in.Tasks, Turn: in.Turn,
	}
}
