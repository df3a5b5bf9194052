package bolt

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cube/scheduler/manager"
	"cube/worker/wire"
)

// appendRecord appends a task's record as encoding/json writes it: each task is
// written four times in its life, and reflection takes several times as long.
func appendRecord(text []byte, r *manager.Record) ([]byte, error) {
	text, err := wire.AppendTask(append(text, `{"Task":`...), &r.Task)
	if err != nil {
		return nil, err
	}
	text = strconv.AppendUint(append(text, `,"Seq":`...), r.Seq, 10)
	if r.Node != "" {
		name, err := json.Marshal(r.Node)
		if err != nil {
			return nil, err
		}
		text = append(append(text, `,"Node":`...), name...)
	}
	if r.StopRequested {
		text = append(text, `,"StopRequested":true`...)
	}
	if r.Moving {
		text = append(text, `,"Moving":true`...)
	}
	if text, err = appendTime(text, "SubmitTime", r.SubmitTime); err != nil {
		return nil, err
	}
	for _, optional := range []struct {
		name string
		at   time.Time
	}{{"PlaceTime", r.PlaceTime}, {"EndTime", r.EndTime}} {
		if optional.at.IsZero() {
			continue
		}
		if text, err = appendTime(text, optional.name, optional.at); err != nil {
			return nil, err
		}
	}
	return append(text, '}'), nil
}

func appendTime(text []byte, name string, at time.Time) ([]byte, error) {
	text = append(append(append(text, `,"`...), name...), `":"`...)
	text, err := at.AppendText(text)
	return append(text, '"'), err
}

// readRecord reads a task's record.
func readRecord(text []byte, r *manager.Record) error {
	if cutRecord(text, r) {
		return nil
	}
	*r = manager.Record{}
	return json.Unmarshal(text, r)
}

// cutRecord reads a record that is just as appendRecord writes it, and as
// encoding/json would; false where it is not.
func cutRecord(text []byte, r *manager.Record) bool {
	c := cutter{text: text}
	c.expect(`{"Task":`)
	var plain bool
	c.text, plain = wire.CutTask(c.text, &r.Task)
	c.failed = c.failed || !plain
	c.expect(`,"Seq":`)
	seq := c.until(',')
	var err error
	r.Seq, err = strconv.ParseUint(string(seq), 10, 64)
	c.failed = c.failed || err != nil || (len(seq) > 1 && seq[0] == '0')
	if c.cut(`"Node":"`) {
		r.Node = string(c.until('"'))
		c.failed = c.failed || !isPlain(r.Node)
		c.expect(",")
	}
	r.StopRequested = c.cut(`"StopRequested":true,`)
	r.Moving = c.cut(`"Moving":true,`)
	c.expect(`"SubmitTime":"`)
	c.time(&r.SubmitTime)
	if c.cut(`,"PlaceTime":"`) {
		c.time(&r.PlaceTime)
	}
	if c.cut(`,"EndTime":"`) {
		c.time(&r.EndTime)
	}
	c.expect("}")
	return !c.failed && len(c.text) == 0
}

// isPlain reports whether a string stands in JSON as it is.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' })
}

// cutter cuts a text into pieces from its beginning.
type cutter struct {
	text   []byte // what is left
	failed bool   // something was not there
}

// cut cuts a piece off if it is there.
func (c *cutter) cut(piece string) bool {
	rest, found := bytes.CutPrefix(c.text, []byte(piece))
	c.text = rest
	return found
}

func (c *cutter) expect(piece string) { c.failed = !c.cut(piece) || c.failed }

// until cuts off what is before the end, and the end.
func (c *cutter) until(end byte) []byte {
	i := bytes.IndexByte(c.text, end)
	if i < 0 {
		c.failed = true
		return nil
	}
	piece := c.text[:i]
	c.text = c.text[i+1:]
	return piece
}

func (c *cutter) time(at *time.Time) {
	c.failed = at.UnmarshalText(c.until('"')) != nil || c.failed
}
