package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"sync"
	"time"

	"cube/collector/cgroup"
)

// Scope says whose CPU and memory the figures are.
type Scope int

// The scopes. In ScopeAuto the figures are the cgroup's where it is bound to
// less than the machine has, and the machine's otherwise.
const (
	ScopeAuto Scope = iota
	ScopeHost
	ScopeCgroup
)

// scopeNames are the words for the scopes.
var scopeNames = [...]string{"auto", "host", "cgroup"}

// String returns "auto", "host" or "cgroup".
func (s Scope) String() string {
	if s < 0 || int(s) >= len(scopeNames) {
		return "Scope(" + strconv.Itoa(int(s)) + ")"
	}
	return scopeNames[s]
}

// ParseScope reads the word for a scope.
func ParseScope(word string) (Scope, error) {
	for s, name := range scopeNames {
		if word == name {
			return Scope(s), nil
		}
	}
	return 0, fmt.Errorf("%q is no scope: want auto, host or cgroup", word)
}

// relook is how often the scope's limits are read: they change by an operator's
// hand. What the group uses is read at every scrape.
const relook = 5 * time.Second

// scope reads the cgroup that the figures are narrowed to.
type scope struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	looked   time.Time
	current  bounds
	err      error
	measured usage // of the group's CPU; has its own lock
}

// bounds are what the scope leaves of the machine. Without a cgroup they are
// infinite.
type bounds struct {
	group   *cgroup.Group // nil: the machine's figures, or those of the share
	share   *Share        // nil: there is none
	inGroup bool          // all the figures are the group's
	cores   float64
	memory  float64 // bytes

	pressure []*pressureFile // the group's, where it has any
}

var unbounded = bounds{cores: math.Inf(1), memory: math.Inf(1)}

// newScope looks at nothing yet.
func newScope(cfg Config) *scope {
	return &scope{cfg: cfg, measured: usage{window: cfg.Window, minWindow: cfg.MinWindow}}
}

// bounds returns what the scope leaves of the machine now.
func (s *scope) bounds(now time.Time) (bounds, error) {
	if share := s.cfg.Share; share != nil {
		return bounds{share: share, cores: share.Cores, memory: share.Memory}, nil
	}
	if s.cfg.Scope == ScopeHost {
		return unbounded, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looked.IsZero() || now.Sub(s.looked).Abs() >= relook {
		s.look()
		s.looked = now
	}
	return s.current, s.err
}

// look finds the group and reads its limits.
func (s *scope) look() {
	group, limits, err := s.find()
	if err != nil {
		s.current, s.err = unbounded, nil
		if s.cfg.Scope == ScopeCgroup {
			s.err = fmt.Errorf("the scope's cgroup: %w", err)
		}
		return
	}
	s.err = nil
	if s.cfg.Scope == ScopeAuto && math.IsInf(limits.CpuCores, 1) && math.IsInf(limits.MemoryBytes, 1) {
		s.current = unbounded
		return
	}
	b := bounds{group: group, inGroup: s.cfg.Scope == ScopeCgroup, cores: limits.CpuCores, memory: limits.MemoryBytes}
	if b.inGroup {
		b.pressure = s.pressureOf(group)
	}
	s.current = b
}

// find returns the group of the configuration, or this process's own.
func (s *scope) find() (*cgroup.Group, cgroup.Limits, error) {
	reader, err := cgroup.New(s.cfg.ProcPath, s.cfg.SysPath)
	if err != nil {
		return nil, cgroup.Limits{}, err
	}
	var group *cgroup.Group
	if s.cfg.Cgroup != "" {
		group, err = reader.At(s.cfg.Cgroup)
	} else {
		group, err = reader.OfPID(0)
	}
	if err != nil {
		return nil, cgroup.Limits{}, err
	}
	limits, err := group.Limits()
	return group, limits, err
}

// pressureOf names the group's PSI files, and keeps those it had.
func (s *scope) pressureOf(group *cgroup.Group) []*pressureFile {
	if s.current.group != nil && s.current.group.Path == group.Path {
		return s.current.pressure
	}
	if _, ok := group.PressurePath("cpu"); !ok {
		return nil
	}
	return newPressureFiles(func(resource string) string {
		path, _ := group.PressurePath(resource)
		return path
	}, s.cfg.Now)
}

// narrowsCPU reports whether CPU usage is to be the group's.
func (b bounds) narrowsCPU(online int) bool {
	return b.share != nil || b.inGroup || b.cores < float64(online)
}

// narrowMemory returns what the group's limits leave of the machine's memory:
// available is no more than the limit less what the group uses, with its
// inactive file pages given back, at the group and at each of its ancestors.
func (b bounds) narrowMemory(r memoryReading) (memoryReading, error) {
	if b.share != nil {
		return b.share.narrowMemory(r)
	}
	if b.group == nil || b.memory >= float64(r.total) {
		return r, nil
	}
	room, err := b.group.MemoryRoom()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("the scope's cgroup: %w", err)
	}
	r.total = uint64(b.memory)
	r.available = uint64(min(float64(r.available), float64(r.total), room))
	return r, nil
}

// usage returns the busy share of the group's cores, or of the share's. Neither has
// an idle time: it is what its cores could have done since the first look and did
// not.
func (s *scope) usage(now time.Time, b bounds, cores float64) (cpuUsage, bool, error) {
	seconds, name, err := b.cpuSeconds()
	if err != nil {
		return cpuUsage{}, false, err
	}
	var r cpuReading
	r.online = name + " " + strconv.FormatFloat(cores, 'g', -1, 64) // another limit, another baseline
	r.times[modeUser] = seconds
	r.times[modeIdle] = float64(now.UnixNano())/1e9*cores - seconds
	_, result, known := s.measured.observe(now, r)
	return result, known, nil
}

// cpuSeconds is the CPU time that the scope has used, and what it is called.
func (b bounds) cpuSeconds() (seconds float64, name string, err error) {
	if b.share != nil {
		seconds, _, err = b.share.Use()
		return seconds, "share", err
	}
	if seconds, err = b.group.CpuSeconds(); err != nil {
		err = fmt.Errorf("the scope's cgroup: %w", err)
	}
	return seconds, b.group.Path, err
}

// close gives the group's files back.
func (s *scope) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.current.pressure {
		f.file.close()
	}
}
