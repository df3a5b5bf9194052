package supervise

import (
	"errors"
	"syscall"
)

// Order is what the worker tells a supervisor to run, through the socket that is
// its standard input. It is never on disk: Env holds secrets. When the order has
// come, what needs no record of the run is prepared; it is carried out when the
// word to go, which is [Go], has come after it.
type Order struct {
	Key        string
	Command    []string
	Env        []string
	WorkingDir string
	Credential *syscall.Credential // nil: as the worker
	Limits     []Limit
	Cgroup     *Group // nil: none
	LogSize    int64  // bytes a file of output
	LogFiles   int    // files of output kept
}

// Go is the word to go, which follows an order.
const Go = '!'

// Answer is what the supervisor says, in JSON, once the task runs, or cannot.
type Answer struct {
	Started Started
	Error   string        `json:",omitempty"`
	Errno   syscall.Errno `json:",omitempty"` // 0 where the error is none of the kernel's
}

// failure is the answer that reports the error.
func failure(err error) Answer {
	a := Answer{Error: err.Error()}
	errors.As(err, &a.Errno)
	return a
}

// Encode is the order as [decodeOrder] reads it: its length, and its fields one
// after the other. Both ends are the same program, so that it takes no names, and
// no encoding/json, which a supervisor cannot afford (see json.go).
func (o *Order) Encode() []byte {
	e := encoder{b: make([]byte, numberLen, 4096)}
	e.text(o.Key)
	e.texts(o.Command)
	e.texts(o.Env)
	e.text(o.WorkingDir)
	e.credential(o.Credential)
	e.number(uint64(len(o.Limits)))
	for _, limit := range o.Limits {
		e.number(uint64(limit.Resource))
		e.number(limit.Soft)
		e.number(limit.Hard)
	}
	e.group(o.Cgroup)
	e.number(uint64(o.LogSize))
	e.number(uint64(o.LogFiles))
	putNumber(e.b, uint64(len(e.b)-numberLen))
	return e.b
}

// numberLen is how many bytes a number takes.
const numberLen = 8

// errOrder says that the worker sent something else.
var errOrder = errors.New("the order is not one")

// decodeOrder reads what is after the length of an order.
func decodeOrder(b []byte) (*Order, error) {
	d := decoder{b: b}
	o := &Order{Key: d.text(), Command: d.texts(), Env: d.texts(), WorkingDir: d.text(), Credential: d.credential()}
	for range d.count() {
		o.Limits = append(o.Limits, Limit{Resource: int(d.number()), Soft: d.number(), Hard: d.number()})
	}
	o.Cgroup = d.group()
	o.LogSize, o.LogFiles = int64(d.number()), int(d.number())
	if d.bad || len(d.b) > 0 || len(o.Command) == 0 {
		return nil, errOrder
	}
	return o, nil
}

// encoder appends what decoder reads.
type encoder struct{ b []byte }

func (e *encoder) number(n uint64) {
	e.b = append(e.b, make([]byte, numberLen)...)
	putNumber(e.b[len(e.b)-numberLen:], n)
}

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) texts(list []string) {
	e.number(uint64(len(list)))
	for _, s := range list {
		e.text(s)
	}
}

// there says whether what follows is there.
func (e *encoder) there(is bool) bool {
	if is {
		e.number(1)
	} else {
		e.number(0)
	}
	return is
}

func (e *encoder) credential(c *syscall.Credential) {
	if !e.there(c != nil) {
		return
	}
	e.number(uint64(c.Uid))
	e.number(uint64(c.Gid))
	e.number(uint64(len(c.Groups)))
	for _, group := range c.Groups {
		e.number(uint64(group))
	}
	e.there(c.NoSetGroups)
}

func (e *encoder) group(g *Group) {
	if !e.there(g != nil) {
		return
	}
	e.number(uint64(g.Version))
	e.text(g.Mount)
	e.number(uint64(len(g.Paths)))
	for controller, path := range g.Paths {
		e.text(controller)
		e.text(path)
	}
}

// decoder takes values off b. When one is not there it is bad, and all that
// follow are empty.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) number() uint64 {
	if b := d.take(numberLen); b != nil {
		return getNumber(b)
	}
	return 0
}

// count is how many values follow, of which none is shorter than a number.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.b)/numberLen) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) text() string { return string(d.take(d.number())) }

func (d *decoder) texts() []string {
	list := make([]string, d.count())
	for i := range list {
		list[i] = d.text()
	}
	return list
}

func (d *decoder) credential() *syscall.Credential {
	if d.number() == 0 {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(d.number()), Gid: uint32(d.number())}
	for range d.count() {
		c.Groups = append(c.Groups, uint32(d.number()))
	}
	c.NoSetGroups = d.number() != 0
	return c
}

func (d *decoder) group() *Group {
	if d.number() == 0 {
		return nil
	}
	g := &Group{Version: int(d.number()), Mount: d.text(), Paths: map[string]string{}}
	for range d.count() {
		controller := d.text()
		g.Paths[controller] = d.text()
	}
	return g
}

func putNumber(b []byte, n uint64) {
	for i := range numberLen {
		b[i] = byte(n >> (8 * i))
	}
}

func getNumber(b []byte) (n uint64) {
	for i := range numberLen {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}
