package supervise

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// Stat is what /proc/<pid>/stat says of a process.
type Stat struct {
	PID, PPID, Session int
	Zombie             bool
	Start              uint64 // clock ticks after boot
}

// ReadStat reads it. It is not left to procfs, whose initialisation takes longer
// than that of all that a supervisor needs.
func ReadStat(pid int) (Stat, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	text, err := readFile(path)
	if err != nil {
		return Stat{}, err
	}
	// The name, in parentheses, may have anything in it.
	fields := fields(string(text[lastByte(string(text), ')')+1:]))
	const session, start = 3, 19 // fields 6 and 22; the first is 3, the state
	if len(fields) <= start {
		return Stat{}, errors.New(path + " is " + strconv.Quote(string(text)))
	}
	stat := Stat{PID: pid, Zombie: fields[0] == "Z"}
	var errs [3]error
	stat.PPID, errs[0] = strconv.Atoi(fields[1])
	stat.Session, errs[1] = strconv.Atoi(fields[session])
	stat.Start, errs[2] = strconv.ParseUint(fields[start], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return Stat{}, wrap(path, err)
	}
	return stat, nil
}

// Processes reads every process there is. One that ends meanwhile is left out.
func Processes() ([]Stat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close() //nolint:errcheck // only read
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	stats := make([]Stat, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := ReadStat(pid); err == nil {
			stats = append(stats, stat)
		}
	}
	return stats, nil
}

// Open opens the process that was read, or fails if its PID is another's now.
func (s Stat) Open() (*Process, error) {
	return Identity{PID: s.PID, Start: s.Start}.Open("")
}

// Descendants are the processes below root in the tree, root left out.
func Descendants(root int, all []Stat) []Stat {
	children := map[int][]Stat{}
	for _, stat := range all {
		children[stat.PPID] = append(children[stat.PPID], stat)
	}
	below := children[root]
	for i := 0; i < len(below); i++ {
		below = append(below, children[below[i].PID]...)
	}
	return below
}

// killDescendants sends SIGKILL to all that is below root.
func killDescendants(root int) {
	all, err := Processes()
	if err != nil {
		return
	}
	for _, stat := range Descendants(root, all) {
		if p, err := stat.Open(); err == nil {
			_ = p.Signal(syscall.SIGKILL)
			_ = p.Close()
		}
	}
}
