package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"cube/worker/task"
)

// appender writes JSON, byte for byte as encoding/json would. Lists of a fleet
// have a hundred thousand entries, and reflection takes ten times as long.
type appender struct {
	text []byte
	more bool  // the next field is not the first of its object
	err  error // the first that there was
}

// AppendJSON appends the task as encoding/json writes it. The error is that of
// encoding/json: a state that there is not, a time that cannot be written.
func (p *PlacedTask) AppendJSON(text []byte) ([]byte, error) {
	a := appender{text: append(text, '{')}
	a.task(&p.Task)
	a.optionalString("Node", p.Node)
	a.optionalFlag("StopRequested", p.StopRequested)
	a.optionalString("PendingReason", p.PendingReason)
	a.optionalTime("SubmitTime", p.SubmitTime)
	return append(a.text, '}'), a.err
}

// AppendTask appends a task as encoding/json writes it; so is the error.
func AppendTask(text []byte, t *task.Task) ([]byte, error) {
	a := appender{text: append(text, '{')}
	a.task(t)
	return append(a.text, '}'), a.err
}

// AppendEvent appends an event as encoding/json writes it; so is the error.
func AppendEvent(text []byte, e *task.Event) ([]byte, error) {
	a := appender{text: append(text, '{')}
	a.id("ID", e.ID)
	a.state("State", e.State)
	a.time("Timestamp", e.Timestamp)
	a.key("Task")
	a.text, a.more = append(a.text, '{'), false
	a.task(&e.Task)
	return append(a.text, "}}"...), a.err
}

// AppendJSON appends the node as encoding/json writes it. The error is that of
// encoding/json: a figure that is not a number.
func (n *Node) AppendJSON(text []byte) ([]byte, error) {
	a := appender{text: append(text, '{')}
	a.string("Name", n.Name)
	a.string("URL", n.URL)
	a.string("State", string(n.State))
	if len(n.Labels) > 0 {
		a.stringMap("Labels", n.Labels)
	}
	if n.Metrics != nil {
		a.any("Metrics", n.Metrics)
	}
	a.optionalString("LastError", n.LastError)
	a.figure("ReadingAge", n.ReadingAge)
	a.int("Tasks", int64(n.Tasks))
	a.figure("CpuUsageRatio", n.CpuUsageRatio)
	a.figure("CpuCores", n.CpuCores)
	a.figure("MemoryTotal", n.MemoryTotal)
	a.figure("MemoryAvailable", n.MemoryAvailable)
	a.figure("DiskTotal", n.DiskTotal)
	a.figure("DiskAvailable", n.DiskAvailable)
	a.figure("Load1", n.Load1)
	a.key("Allocatable")
	if n.Allocatable == nil {
		a.text = append(a.text, "null"...)
	} else {
		a.resources(n.Allocatable)
	}
	a.key("Promised")
	a.resources(&n.Promised)
	return append(a.text, '}'), a.err
}

// task appends the fields of a task.
func (a *appender) task(t *task.Task) {
	a.id("ID", t.ID)
	a.string("Name", t.Name)
	a.state("State", t.State)
	a.optionalString("Image", t.Image)
	a.optionalString("ImagePullPolicy", t.ImagePullPolicy)
	a.optionalStrings("Command", t.Command)
	a.optionalStrings("Env", t.Env)
	a.optionalString("User", t.User)
	a.optionalString("WorkingDir", t.WorkingDir)
	a.float("Cpu", t.Cpu)
	a.int("Memory", int64(t.Memory))
	a.int("Disk", int64(t.Disk))
	if len(t.ExposedPorts) > 0 {
		a.any("ExposedPorts", t.ExposedPorts)
	}
	if len(t.PortBindings) > 0 {
		a.stringMap("PortBindings", t.PortBindings)
	}
	if len(t.HostPorts) > 0 {
		a.any("HostPorts", t.HostPorts)
	}
	a.optionalStrings("Constraints", t.Constraints)
	a.optionalString("RestartPolicy", string(t.RestartPolicy))
	if !t.HealthCheck.IsZero() {
		a.any("HealthCheck", t.HealthCheck)
	}
	if t.StopTimeout != 0 {
		a.any("StopTimeout", t.StopTimeout)
	}
	a.outcome(t)
}

// outcome appends what has become of a task.
func (a *appender) outcome(t *task.Task) {
	a.optionalInt("RestartCount", int64(t.RestartCount))
	a.optionalString("ContainerID", t.ContainerID)
	if t.Allocation != 0 {
		a.key("Allocation")
		a.text = strconv.AppendUint(a.text, t.Allocation, 10)
	}
	a.optionalTime("StartTime", t.StartTime)
	a.optionalTime("FinishTime", t.FinishTime)
	if t.ExitCode != nil {
		a.int("ExitCode", int64(*t.ExitCode))
	}
	a.optionalFlag("OOMKilled", t.OOMKilled)
	a.optionalString("Error", t.Error)
}

func (a *appender) resources(r *task.Resources) {
	a.text, a.more = append(a.text, '{'), false
	a.float("Cpu", r.Cpu)
	a.int("Memory", int64(r.Memory))
	a.int("Disk", int64(r.Disk))
	a.text = append(a.text, '}')
}

func (a *appender) id(name string, v uuid.UUID) {
	a.key(name)
	a.text = append(a.text, '"')
	id, err := v.MarshalText()
	a.fail(err)
	a.text = append(append(a.text, id...), '"')
}

func (a *appender) state(name string, v task.State) {
	if int(v) >= len(task.States) {
		_, err := v.MarshalJSON()
		a.fail(err)
	}
	a.string(name, v.String())
}

func (a *appender) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// key begins a field. Names of fields are plain text.
func (a *appender) key(name string) {
	if a.more {
		a.text = append(a.text, ',')
	}
	a.more = true
	a.text = append(append(append(a.text, '"'), name...), '"', ':')
}

// any appends a rare field, as encoding/json writes it.
func (a *appender) any(name string, v any) {
	a.key(name)
	text, err := json.Marshal(v)
	a.fail(err)
	a.text = append(a.text, text...)
}

func (a *appender) int(name string, v int64) {
	a.key(name)
	a.text = strconv.AppendInt(a.text, v, 10)
}

func (a *appender) optionalInt(name string, v int64) {
	if v != 0 {
		a.int(name, v)
	}
}

func (a *appender) optionalFlag(name string, v bool) {
	if v {
		a.key(name)
		a.text = append(a.text, "true"...)
	}
}

func (a *appender) optionalTime(name string, v time.Time) {
	if !v.IsZero() {
		a.time(name, v)
	}
}

func (a *appender) time(name string, v time.Time) {
	a.key(name)
	text, err := v.AppendText(append(a.text, '"'))
	a.fail(err)
	a.text = append(text, '"')
}

func (a *appender) float(name string, v float64) {
	a.key(name)
	a.number(v)
}

// figure is a number that may not be known.
func (a *appender) figure(name string, v *float64) {
	a.key(name)
	if v == nil {
		a.text = append(a.text, "null"...)
		return
	}
	a.number(*v)
}

// number appends a number as ES6 writes it: with an exponent where it is very
// small or very large, and that of one digit where one does.
func (a *appender) number(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		a.fail(fmt.Errorf("%v is no number in JSON", v))
		return
	}
	const least, most = 1e-6, 1e21 // that are written without an exponent
	if size := math.Abs(v); size == 0 || (size >= least && size < most) {
		a.text = strconv.AppendFloat(a.text, v, 'f', -1, 64)
		return
	}
	a.text = strconv.AppendFloat(a.text, v, 'e', -1, 64)
	if n := len(a.text); n >= 4 && string(a.text[n-4:n-1]) == "e-0" {
		a.text = append(a.text[:n-2], a.text[n-1])
	}
}

func (a *appender) string(name, v string) {
	a.key(name)
	a.quote(v)
}

func (a *appender) optionalString(name, v string) {
	if v != "" {
		a.string(name, v)
	}
}

func (a *appender) optionalStrings(name string, list []string) {
	if len(list) == 0 {
		return
	}
	a.key(name)
	a.text = append(a.text, '[')
	for i, v := range list {
		if i > 0 {
			a.text = append(a.text, ',')
		}
		a.quote(v)
	}
	a.text = append(a.text, ']')
}

func (a *appender) stringMap(name string, m map[string]string) {
	a.key(name)
	a.text, a.more = append(a.text, '{'), false
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if a.more {
			a.text = append(a.text, ',')
		}
		a.more = true
		a.quote(key)
		a.text = append(a.text, ':')
		a.quote(m[key])
	}
	a.text = append(a.text, '}')
}

// quote appends a string. Those with anything to be escaped are rare.
func (a *appender) quote(v string) {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf {
			text, err := json.Marshal(v)
			a.fail(err)
			a.text = append(a.text, text...)
			return
		}
	}
	a.text = append(append(append(a.text, '"'), v...), '"')
}
