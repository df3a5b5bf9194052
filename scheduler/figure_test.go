package scheduler_test

import (
	"encoding/json"
	"math"
	"testing"

	"cube/scheduler"
)

func TestFigureIsANumberOrNull(t *testing.T) {
	for _, c := range []struct {
		figure scheduler.Figure
		text   string
	}{
		{scheduler.Figure{}, "null"},
		{scheduler.FigureOf(scheduler.Absent()), "null"},
		{scheduler.FigureOf(math.Float64frombits(0xfff8_0000_0000_0000)), "null"}, // another NaN
		{scheduler.FigureOf(0), "0"},
		{scheduler.FigureOf(-1.5), "-1.5"},
		{scheduler.FigureOf(math.MaxFloat64), "1.7976931348623157e+308"},
	} {
		text, err := json.Marshal(struct{ F scheduler.Figure }{c.figure})
		if err != nil || string(text) != `{"F":`+c.text+`}` || c.figure.String() != c.text {
			t.Errorf("%v is written as %s (%v), want %s", c.figure, text, err, c.text)
		}
		back := struct{ F scheduler.Figure }{scheduler.FigureOf(7)}
		if err := json.Unmarshal(text, &back); err != nil || !back.F.Equal(c.figure) {
			t.Errorf("%s is read as %v (%v), want %v", text, back.F, err, c.figure)
		}
		if known := c.text != "null"; c.figure.Known() != known || scheduler.Known(c.figure.Value()) != known {
			t.Errorf("%s is known: %v, and its value %v", c.text, c.figure.Known(), c.figure.Value())
		}
	}
	var f scheduler.Figure
	if err := json.Unmarshal([]byte(`"many"`), &f); err == nil {
		t.Error("a word was read as a figure")
	}
}
