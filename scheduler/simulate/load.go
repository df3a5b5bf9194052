package simulate

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cube/worker/task"
)

// Load reads a trace: tasks.csv, cpu.csv, mem.csv (which may be missing),
// nodes.csv and arrivals_NN.csv, of which there is at least one. The trace is
// named after the directory. An error names the file and the line.
//
//	tasks.csv        task,source,cpu_req,mem_req_mb   with a header
//	cpu.csv          task,u0..u287                    no header
//	mem.csv          task,m0..m287                    no header, MB
//	nodes.csv        node,cpu_cap,mem_cap_mb,cpu_overcommit
//	arrivals_NN.csv  task,arrive_s,depart_s
//
// CPU is in thousandths of a core; MB are MiB.
func Load(files fs.FS, name string) (*Trace, error) {
	t := &Trace{Name: filepath.Base(name)}
	steps := []struct {
		file string
		head bool
		take func(*Trace, record) error
	}{
		{"tasks.csv", true, (*Trace).takeTask},
		{"nodes.csv", true, (*Trace).takeMachine},
		{"cpu.csv", false, (*Trace).takeCpu},
		{"mem.csv", false, (*Trace).takeMemory},
	}
	for _, s := range steps {
		err := t.read(files, s.file, s.head, s.take)
		if s.file == "mem.csv" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("trace %s: %w", name, err)
		}
	}
	if err := t.complete(); err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	if err := t.readSchedules(files); err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	return t, nil
}

// record is one line of a file, and the first fault in it.
type record struct {
	fields []string
	err    *error
}

// number reads a field that is a number of 0 or more.
func (r record) number(i int, most float64) float64 {
	if i >= len(r.fields) {
		r.fail(fmt.Errorf("has %d fields; want more than %d", len(r.fields), i))
		return 0
	}
	v, err := strconv.ParseFloat(r.fields[i], 64)
	if err != nil || !(v >= 0 && v <= most) {
		r.fail(fmt.Errorf("field %d is %q; want a number, 0 to %g", i+1, r.fields[i], most))
		return 0
	}
	return v
}

func (r record) fail(err error) {
	if *r.err == nil {
		*r.err = err
	}
}

const (
	mostCpu    = 1e9       // thousandths of a core
	mostMemory = 1e9       // MiB
	mostTasks  = 1_000_000 // in a trace
)

// read passes each line of a file to take.
func (t *Trace) read(files fs.FS, name string, head bool, take func(*Trace, record) error) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
	lines.ReuseRecord = true
	for i := 0; ; i++ {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if i == 0 && head {
			continue
		}
		var fault error
		if err := take(t, record{fields, &fault}); err != nil {
			fault = err
		}
		if fault != nil {
			line, _ := lines.FieldPos(0)
			return fmt.Errorf("%s: line %d: %w", name, line, fault)
		}
	}
}

func (t *Trace) takeTask(r record) error {
	if id := r.number(0, mostTasks); int(id) != len(t.Tasks) {
		return fmt.Errorf("is of task %v; want task %d, since they are numbered from 0", id, len(t.Tasks))
	}
	t.Tasks = append(t.Tasks, Task{
		Cpu: int64(r.number(2, mostCpu)), Memory: mebibytes(r.number(3, mostMemory)), Source: strings.Clone(r.fields[1]),
	})
	return nil
}

func (t *Trace) takeMachine(r record) error {
	m := Machine{Cpu: int64(r.number(1, mostCpu)), Memory: mebibytes(r.number(2, mostMemory)), Overcommit: r.number(3, 1e6)}
	if m.Cpu == 0 || m.Memory == 0 || m.Overcommit == 0 {
		return errors.New("the machine has no CPU, no memory or an overcommit of 0")
	}
	t.Machines = append(t.Machines, m)
	return nil
}

// task returns the task that a line of use is of.
func (t *Trace) task(r record) (*Task, error) {
	id := r.number(0, mostTasks)
	if int(id) >= len(t.Tasks) {
		return nil, fmt.Errorf("is of task %v; tasks.csv has %d", id, len(t.Tasks))
	}
	if len(r.fields) != Slots+1 {
		return nil, fmt.Errorf("has %d fields; want a task and %d slots", len(r.fields), Slots)
	}
	return &t.Tasks[int(id)], nil
}

func (t *Trace) takeCpu(r record) error {
	of, err := t.task(r)
	if err != nil {
		return err
	}
	of.CpuUse = make([]int32, Slots)
	for i := range of.CpuUse {
		of.CpuUse[i] = int32(r.number(i+1, math.MaxInt32))
	}
	return nil
}

func (t *Trace) takeMemory(r record) error {
	of, err := t.task(r)
	if err != nil {
		return err
	}
	of.MemoryUse = make([]task.Bytes, Slots)
	for i := range of.MemoryUse {
		of.MemoryUse[i] = mebibytes(r.number(i+1, mostMemory))
	}
	return nil
}

func mebibytes(v float64) task.Bytes { return task.Bytes(v * (1 << 20)) }

// complete checks that nothing is missing.
func (t *Trace) complete() error {
	if len(t.Tasks) == 0 || len(t.Machines) == 0 {
		return errors.New("has no tasks or no machines")
	}
	for i := range t.Tasks {
		if t.Tasks[i].CpuUse == nil {
			return fmt.Errorf("cpu.csv has no line of task %d", i)
		}
	}
	return nil
}

func (t *Trace) readSchedules(files fs.FS) error {
	names, err := fs.Glob(files, "arrivals_*.csv")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("has no arrivals_NN.csv")
	}
	slices.Sort(names)
	for _, name := range names {
		number := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "arrivals_"), ".csv")
		seed, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("%s: %q is not the number of a schedule", name, number)
		}
		t.Schedules = append(t.Schedules, Schedule{Seed: seed})
		if err := t.read(files, name, true, (*Trace).takeArrival); err != nil {
			return err
		}
	}
	return nil
}

// takeArrival adds to the last schedule.
func (t *Trace) takeArrival(r record) error {
	a := Arrival{
		Task:   int(r.number(0, float64(len(t.Tasks)-1))),
		Arrive: seconds(r.number(1, Day.Seconds())), Depart: seconds(r.number(2, Day.Seconds())),
	}
	s := &t.Schedules[len(t.Schedules)-1]
	if n := len(s.Arrivals); n > 0 && a.Arrive < s.Arrivals[n-1].Arrive {
		return fmt.Errorf("arrives at %v, before the one on the line above", a.Arrive)
	}
	if a.Depart < a.Arrive {
		return fmt.Errorf("departs at %v, before it arrives at %v", a.Depart, a.Arrive)
	}
	s.Arrivals = append(s.Arrivals, a)
	return nil
}

// seconds turns recorded seconds into a duration, to the millisecond.
func seconds(v float64) time.Duration {
	return time.Duration(math.Round(v*1000)) * time.Millisecond
}
