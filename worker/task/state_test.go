package task

import (
	"encoding/json"
	"errors"
	"testing"
)

// The design's table, written out: every pair that is not here is refused.
var legal = map[[2]State]bool{
	{Pending, Scheduled}:   true,
	{Pending, Completed}:   true,
	{Scheduled, Running}:   true,
	{Scheduled, Failed}:    true,
	{Scheduled, Pending}:   true,
	{Scheduled, Completed}: true,
	{Running, Completed}:   true,
	{Running, Failed}:      true,
	{Running, Pending}:     true,
	{Running, Scheduled}:   true,
	{Completed, Scheduled}: true,
	{Failed, Scheduled}:    true,
}

// The book did not enforce transitions: completed → scheduled reached Docker
// by a plain POST, and state 99 was accepted.
func TestTransitionsAreEnforced(t *testing.T) {
	for _, from := range States {
		for _, to := range States {
			err := from.MoveTo(to)
			if want := from == to || legal[[2]State{from, to}]; want != (err == nil) {
				t.Errorf("%s → %s: got error %v, want allowed %v", from, to, err, want)
			}
			if refused := (*TransitionError)(nil); err != nil && (!errors.As(err, &refused) || refused.From != from || refused.To != to) {
				t.Errorf("%s → %s: the error %v does not name both states", from, to, err)
			}
		}
	}
}

func TestStateJSON(t *testing.T) {
	for _, test := range []struct {
		in   string
		want State
	}{
		{`"pending"`, Pending}, {`"running"`, Running}, {`"failed"`, Failed},
		{`0`, Pending}, {`1`, Scheduled}, {`2`, Running}, {`3`, Completed}, {`4`, Failed},
	} {
		var got State
		if err := json.Unmarshal([]byte(test.in), &got); err != nil || got != test.want {
			t.Errorf("%s: got %v, %v; want %v", test.in, got, err, test.want)
		}
	}
	for _, in := range []string{`99`, `5`, `-1`, `1.5`, `"done"`, `"Running"`, `true`, `{}`, `""`} {
		var got State
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was read as %v; want an error", in, got)
		}
	}
	for _, state := range States {
		text, err := json.Marshal(state)
		if err != nil || string(text) != `"`+state.String()+`"` {
			t.Errorf("%v is written as %s, %v; want its word", state, text, err)
		}
	}
	if text, err := json.Marshal(State(9)); err == nil {
		t.Errorf("state 9 is written as %s; want an error", text)
	}
}

func TestRestartPolicy(t *testing.T) {
	for _, test := range []struct {
		policy   RestartPolicy
		ended    State
		restarts int
		want     bool
	}{
		{"", Failed, 0, false},
		{"no", Completed, 0, false},
		{"on-failure", Failed, 1000, true},
		{"on-failure", Completed, 0, false},
		{"on-failure:2", Failed, 1, true},
		{"on-failure:2", Failed, 2, false},
		{"always", Completed, 7, true},
		{"always", Failed, 7, true},
		{"always", Running, 7, false},
		{"unless-stopped", Completed, 0, true},
		{"sometimes", Failed, 0, false},
	} {
		if got := test.policy.Again(test.ended, test.restarts); got != test.want {
			t.Errorf("%q after %s, restarted %d times: got %v", test.policy, test.ended, test.restarts, got)
		}
	}
}
