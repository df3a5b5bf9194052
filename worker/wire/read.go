package wire

import (
	"bytes"
	"strconv"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// reader reads JSON as programs write it: on one line, its fields named as they
// are here. It gives up at anything else (a blank, an escape, a field that is
// rare, one that there is not), which is then left to encoding/json; what it does
// read, it reads as encoding/json would. Tasks come four times in the life of
// each, and a hundred thousand when a manager starts; reflection takes ten times
// as long.
type reader struct {
	text []byte // what is left
	ok   bool   // it was read so far
}

// CutTask reads the task that text begins with, as [AppendTask] writes it, and
// returns what follows. ok is false where it is written in another way: then t
// has anything, and encoding/json is to read it.
func CutTask(text []byte, t *task.Task) (rest []byte, ok bool) {
	*t = task.Task{}
	r := reader{text: text, ok: true}
	r.expect('{')
	for more := r.ok; more; more = r.ok && r.next('}') {
		r.field(t)
	}
	return r.text, r.ok
}

// readTask reads a task that is all of the text.
func readTask(text []byte, t *task.Task) bool {
	rest, ok := CutTask(text, t)
	return ok && isBlank(rest)
}

// readTasks reads a list of tasks that is all of the text; none is not read.
func readTasks(text []byte) (tasks []*task.Task, ok bool) {
	r := reader{text: text, ok: true}
	r.expect('[')
	for more := r.ok; more; more = r.ok && r.next(']') {
		t := new(task.Task)
		r.text, r.ok = CutTask(r.text, t)
		tasks = append(tasks, t)
	}
	return tasks, r.ok && isBlank(r.text)
}

// readEvent reads an event that is all of the text.
func readEvent(text []byte, e *task.Event) bool {
	*e = task.Event{}
	r := reader{text: text, ok: true}
	r.expect('{')
	hasTask := false // a second one would say more of the first
	for more := r.ok; more; more = r.ok && r.next('}') {
		name := r.quoted()
		r.expect(':')
		switch string(name) {
		case "ID":
			r.id(&e.ID)
		case "State":
			r.state(&e.State)
		case "Timestamp":
			r.time(&e.Timestamp)
		case "Task":
			if r.ok = r.ok && !hasTask; r.ok {
				r.text, r.ok = CutTask(r.text, &e.Task)
				hasTask = true
			}
		default:
			r.ok = false
		}
	}
	return r.ok && isBlank(r.text)
}

// isBlank reports whether nothing but an end of line is left.
func isBlank(text []byte) bool { return len(text) == 0 || string(text) == "\n" }

// field reads one field of a task.
func (r *reader) field(t *task.Task) {
	name := r.quoted()
	r.expect(':')
	switch string(name) {
	case "ID":
		r.id(&t.ID)
	case "Name":
		t.Name = r.string()
	case "State":
		r.state(&t.State)
	case "Image":
		t.Image = r.string()
	case "ImagePullPolicy":
		t.ImagePullPolicy = r.string()
	case "Command":
		t.Command = r.strings()
	case "Env":
		t.Env = r.strings()
	case "User":
		t.User = r.string()
	case "WorkingDir":
		t.WorkingDir = r.string()
	case "Cpu":
		t.Cpu = r.float()
	case "Memory":
		t.Memory = task.Bytes(r.int(64))
	case "Disk":
		t.Disk = task.Bytes(r.int(64))
	case "Constraints":
		t.Constraints = r.strings()
	case "RestartPolicy":
		t.RestartPolicy = task.RestartPolicy(r.string())
	default:
		r.outcome(string(name), t)
	}
}

// outcome reads a field that says what has become of a task.
func (r *reader) outcome(name string, t *task.Task) {
	switch name {
	case "RestartCount":
		t.RestartCount = int(r.int(strconv.IntSize))
	case "ContainerID":
		t.ContainerID = r.string()
	case "Allocation":
		t.Allocation = r.uint()
	case "StartTime":
		r.time(&t.StartTime)
	case "FinishTime":
		r.time(&t.FinishTime)
	case "ExitCode":
		code := int(r.int(strconv.IntSize))
		t.ExitCode = &code
	case "OOMKilled":
		t.OOMKilled = r.flag()
	case "Error":
		t.Error = r.string()
	default:
		r.ok = false
	}
}

func (r *reader) expect(c byte) {
	if r.ok = r.ok && len(r.text) > 0 && r.text[0] == c; r.ok {
		r.text = r.text[1:]
	}
}

// next reports whether there is another entry; if not, the end was read.
func (r *reader) next(end byte) bool {
	if len(r.text) > 0 && r.text[0] == ',' {
		r.text = r.text[1:]
		return true
	}
	r.expect(end)
	return false
}

// quoted reads a string of plain ASCII.
func (r *reader) quoted() []byte {
	r.expect('"')
	if !r.ok {
		return nil
	}
	for i, c := range r.text {
		switch {
		case c == '"':
			v := r.text[:i]
			r.text = r.text[i+1:]
			return v
		case c < ' ' || c == '\\' || c > '~':
			r.ok = false
			return nil
		}
	}
	r.ok = false
	return nil
}

func (r *reader) string() string { return string(r.quoted()) }

func (r *reader) strings() []string {
	r.expect('[')
	list := []string{}
	if r.ok && len(r.text) > 0 && r.text[0] == ']' {
		r.text = r.text[1:]
		return list
	}
	for more := r.ok; more; more = r.ok && r.next(']') {
		list = append(list, r.string())
	}
	return list
}

// number reads a whole number, or where fractions may be one with decimals; an
// exponent is rare.
func (r *reader) number(fractions bool) []byte {
	end := bytes.IndexAny(r.text, ",}]")
	if end < 1 {
		r.ok = false
		return nil
	}
	v := r.text[:end]
	r.text = r.text[end:]
	whole, decimals, isFraction := bytes.Cut(v, []byte{'.'})
	whole = bytes.TrimPrefix(whole, []byte{'-'})
	r.ok = r.ok && digits(whole) && (len(whole) == 1 || whole[0] != '0') && (!isFraction || (fractions && digits(decimals)))
	return v
}

// digits reports whether there is nothing else, and something.
func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

func (r *reader) int(bits int) int64 {
	v, err := strconv.ParseInt(string(r.number(false)), 10, bits)
	r.ok = r.ok && err == nil
	return v
}

func (r *reader) uint() uint64 {
	v, err := strconv.ParseUint(string(r.number(false)), 10, 64)
	r.ok = r.ok && err == nil
	return v
}

func (r *reader) float() float64 {
	v, err := strconv.ParseFloat(string(r.number(true)), 64)
	r.ok = r.ok && err == nil
	return v
}

func (r *reader) flag() bool {
	rest, ok := bytes.CutPrefix(r.text, []byte("true")) // false is left out
	r.text, r.ok = rest, r.ok && ok
	return ok
}

func (r *reader) time(v *time.Time) {
	text := r.quoted()
	r.ok = r.ok && v.UnmarshalText(text) == nil
}

const idLength = len("00000000-0000-0000-0000-000000000000")

func (r *reader) id(v *uuid.UUID) {
	text := r.quoted()
	r.ok = r.ok && len(text) == idLength && v.UnmarshalText(text) == nil
}

func (r *reader) state(v *task.State) {
	word := r.quoted()
	for _, state := range task.States {
		if string(word) == state.String() {
			*v = state
			return
		}
	}
	r.ok = false
}
