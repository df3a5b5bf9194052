package bolt

import (
	"encoding/json"
	"strconv"
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
