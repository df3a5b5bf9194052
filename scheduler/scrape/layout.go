package scrape

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"unique"
	"unsafe"

	"github.com/google/uuid"

	"cube/scheduler"
)

// maxLayout bounds in bytes a layout that is remembered, and allLayouts those of
// all targets together, as if no text were the same on two pages. A page with a
// larger one is parsed anew each time, which takes ten times as long: what a fleet
// may cost in memory is bounded. A page of node_exporter with all its collectors
// counts as some 75 KB on a machine of two CPUs; one of a worker with 20 tasks as 13.
const (
	maxLayout  = 256 << 10
	allLayouts = 1 << 30
)

// layoutLimit is how large a layout may be where there are so many targets.
func layoutLimit(targets int) int { return min(maxLayout, allLayouts/max(1, targets)) }

// layout is what the pages of a target have in common from one scrape to the
// next: all but the values. A page is mostly names, labels and help texts, which
// the parser has found to be well formed once and which are the same bytes the
// next time; only the numbers between them have to be read. The parser looks at
// no line in the light of another, so a page that differs from an accepted one
// in nothing but its numbers is accepted too.
//
// Nearly all of the text is the same on the pages of all targets, but for the IDs
// of their tasks, and is held once.
type layout struct {
	source *compiled
	root   string // the data root that the mounts were chosen by
	steps  []step // a value each, in the order of the page
	tail   string // what stands after the last value

	tasks []scheduler.TaskReading // their IDs, and nothing known of them
	cpu   cpuSample               // the CPUs and which inputs count as busy; no times
	seen  figureSet
}

// step is one sample of a page: the text before its value, and what becomes of
// the value.
type step struct {
	before unique.Handle[string] // the text before the value, without the task's ID
	at     int16                 // where in it the ID stands; −1 for none
	row    int16                 // index into the source's inputs; −1 for a sample not wanted
	task   int16                 // index into the tasks, for a figure of tasks
	mount  int16                 // length of the mountpoint if it holds the data root, else 0
}

// unwanted is the step of a sample that no input asks for.
func unwanted() step { return step{row: -1} }

// draft is what is noted of a page while the parser reads it.
type draft struct {
	steps  []step
	series [][]byte // their bytes on the page
	spoilt bool     // a series does not fit a step
}

func (d *draft) begin() { d.steps, d.series, d.spoilt = d.steps[:0], d.series[:0], false }

func (d *draft) sample(series []byte) {
	d.steps, d.series = append(d.steps, unwanted()), append(d.series, series)
}

// use notes what becomes of the value of the series at hand.
func (d *draft) use(row, task, mount int) {
	s := &d.steps[len(d.steps)-1]
	if s.row >= 0 || max(row, task, mount) > math.MaxInt16 {
		d.spoilt = true
		return
	}
	s.row, s.task, s.mount = int16(row), int16(task), int16(mount)
}

// blanks may stand around the parts of a line.
const blanks = " \t"

// learn makes the layout of a page that has just been read from body. It returns
// nil for a page that does not have one sample a line in the plainest form (a
// series, blanks, a number), and for a layout of more than limit bytes.
func (p *page) learn(body []byte, limit int) *layout {
	d := &p.draft
	if d.spoilt || len(body)+len(d.steps)*int(unsafe.Sizeof(step{})) > limit {
		return nil
	}
	l := &layout{source: p.source, root: p.dataRoot, steps: slices.Clone(d.steps), seen: p.seen}
	var text []byte // since the last value
	n := 0
	for rest := body; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		line := rest[:end]
		rest = rest[end+1:]
		if start := bytes.Trim(line, blanks); len(start) == 0 || start[0] == '#' {
			text = append(append(text, line...), '\n')
			continue
		}
		value := len(line) - number(line)
		if _, ok := parse(line[value:]); !ok || n == len(l.steps) || !bytes.Equal(bytes.Trim(line[:value], blanks), bytes.Trim(d.series[n], blanks)) {
			return nil
		}
		text = append(text, line[:value]...)
		l.steps[n].keep(p, text)
		text = append(text[:0], '\n')
		n++
	}
	if n != len(l.steps) {
		return nil
	}
	l.tail = string(text)
	l.remember(p)
	return l
}

// keep keeps the text before a step's value. Where it has the ID of the step's
// task, that is taken out, so that the rest is every other task's too.
func (s *step) keep(p *page, text []byte) {
	s.at = -1
	if s.row >= 0 && p.source.inputs[s.row].Figure >= TaskCpuSeconds {
		id := textOf(p.tasks[s.task].ID)
		if at := bytes.Index(text, id[:]); at >= 0 && at <= math.MaxInt16 {
			s.at = int16(at)
			text = slices.Concat(text[:at], text[at+len(id):])
		}
	}
	s.before = unique.Make(string(text))
}

// after returns what follows in rest after the text before the step's value;
// false where it begins with another text.
func (l *layout) after(s *step, rest []byte) ([]byte, bool) {
	text := s.before.Value()
	if s.at >= 0 {
		id := textOf(l.tasks[s.task].ID)
		head := int(s.at)
		if !startsWith(rest, text[:head]) || !bytes.HasPrefix(rest[head:], id[:]) {
			return nil, false
		}
		text, rest = text[head:], rest[head+len(id):]
	}
	if !startsWith(rest, text) {
		return nil, false
	}
	return rest[len(text):], true
}

// textOf is the ID as it is written, without a string of its own.
func textOf(id uuid.UUID) (text [36]byte) {
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return text
}

// startsWith is bytes.HasPrefix with a string.
func startsWith(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// remember keeps of a page that was read what its next one has too.
func (l *layout) remember(p *page) {
	absent := scheduler.Absent()
	for _, t := range p.tasks {
		l.tasks = append(l.tasks, scheduler.TaskReading{ID: t.ID, CpuSeconds: absent, MemoryBytes: absent, StartTime: absent})
	}
	if slices.Max(p.cpu.cpus) > 0 {
		l.cpu.copyFrom(&p.cpu)
		clear(l.cpu.rows)
	}
}

// number returns how many bytes at the end of a line can be of a plain number.
func number(line []byte) int {
	n := 0
	for n < len(line) && digit(line[len(line)-1-n]) {
		n++
	}
	return n
}

// digit reports whether a plain number may hold the byte. Others that the format
// allows (NaN, infinity) are left to the parser.
func digit(c byte) bool {
	return c-'0' < 10 || c == '.' || c == 'e' || c == '-' || c == '+' || c == 'E'
}

// parse reads a plain number as the parser does.
func parse(text []byte) (float64, bool) {
	value, err := strconv.ParseFloat(string(text), 64) // the conversion does not allocate
	return value, err == nil
}

// readOf takes the wanted figures from the body of a target's answer: by the
// layout of its last page where that still holds, and else by parsing it. A
// layout of at most so many bytes is kept for the next.
func (p *page) readOf(t *target, body []byte, maxSamples, layouts int) *Failure {
	p.begin(t.source, t.DataRoot)
	if p.follow(t.memory.layout, body) {
		return nil
	}
	p.begin(t.source, t.DataRoot)
	if failure := p.read(body, maxSamples); failure != nil {
		return failure
	}
	t.memory.layout = p.learn(body, layouts)
	return nil
}

// follow reads a page by the layout of an earlier one. It reports false for a
// page that differs in more than its values, or that has a value which only the
// parser can judge; the page is then as begin left it or half filled.
func (p *page) follow(l *layout, body []byte) bool {
	if l == nil || l.source != p.source || l.root != p.dataRoot {
		return false
	}
	p.tasks = append(p.tasks[:0], l.tasks...)
	if len(l.cpu.rows) > 0 {
		p.cpu.copyFrom(&l.cpu)
	}
	rest := body
	for i := range l.steps {
		s := &l.steps[i]
		var ok bool
		if rest, ok = l.after(s, rest); !ok {
			return false
		}
		n := 0
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		value, ok := parse(rest[:n])
		if !ok || (s.row >= 0 && value < 0) {
			return false
		}
		p.fill(s, value)
		rest = rest[n:]
	}
	p.seen = l.seen
	return string(rest) == l.tail
}

// fill puts the value of a step where the parser's way would have put it.
func (p *page) fill(s *step, value float64) {
	if s.row < 0 {
		return
	}
	switch f := p.source.inputs[s.row].Figure; f {
	case CpuBusySeconds, CpuIdleSeconds:
		p.cpu.rows[s.row] += value
	case MountTotal, MountAvailable:
		p.mounts[f-MountTotal].put(int(s.mount), value)
	case TaskCpuSeconds, TaskMemory, TaskStartTime:
		*figureOf(&p.tasks[s.task], f) = value
	default:
		p.numbers[f] = value
	}
}
