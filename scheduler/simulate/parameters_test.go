package simulate

import (
	"strings"
	"testing"
)

// Each constant can be set by its name, and moves nothing but itself.
func TestParametersAreSetByName(t *testing.T) {
	for _, name := range ParameterNames() {
		p, was := DefaultParameters(), DefaultParameters()
		before, known := p.Get(name)
		if !known {
			t.Fatalf("there is no %s", name)
		}
		if err := p.Set(name + "=0.5"); err != nil {
			t.Fatal(err)
		}
		for _, other := range ParameterNames() {
			got, _ := p.Get(other)
			want, _ := was.Get(other)
			if other == name {
				want = 0.5
			}
			if got != want {
				t.Errorf("%s set to 0.5 (it was %v) makes %s %v; want %v", name, before, other, got, want)
			}
		}
	}
}

func TestParametersThatAreNone(t *testing.T) {
	for setting, want := range map[string]string{
		"change=1": `"change" is not a parameter: want correlation, `, "changed": "not a parameter and its value",
		"changed=NaN": "not a parameter and its value", "changed=0.5,": "not a parameter and its value",
	} {
		p := DefaultParameters()
		if err := p.Set(setting); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want an error with %q", setting, err, want)
		}
	}
}

// A replay goes by the parameters that it is given, and refuses what cannot be.
func TestReplaysGoByTheirParameters(t *testing.T) {
	trace := tiny(t)
	replay := func(setting string) (Row, error) {
		p := DefaultParameters()
		if err := p.Set(setting); err != nil {
			t.Fatal(err)
		}
		out, err := Replay(t.Context(), trace, &trace.Schedules[0], "measured", Options{Interval: Slot, Parameters: &p})
		if err != nil {
			return Row{}, err
		}
		return out.Row, nil
	}
	usual, err := Replay(t.Context(), trace, &trace.Schedules[0], "measured", Options{Interval: Slot})
	if err != nil {
		t.Fatal(err)
	}
	if same, err := replay("changed=0.3"); err != nil || same != usual.Row {
		t.Errorf("the value that is the default makes %+v (%v), not %+v", same, err, usual.Row)
	}
	for _, setting := range []string{"prior-tasks=1000,changed=1", "slack=0.5"} {
		if other, err := replay(setting); err != nil || other == usual.Row {
			t.Errorf("%s makes no difference (%v)", setting, err)
		}
	}
	for _, setting := range []string{"changed=1.5", "horizon=0", "prior-tasks=-1", "lately-tau=+Inf", "correlation=2", "slack=-1", "replaced=2"} {
		if _, err := replay(setting); err == nil {
			t.Errorf("%s is not refused", setting)
		}
	}
}
