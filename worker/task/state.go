package task

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// State is where a task is in its life. The numbers are the book's.
type State uint8

const (
	// Pending means accepted, no node chosen yet.
	Pending State = iota
	// Scheduled means that a node was chosen; the task is on its way or starting.
	Scheduled
	// Running means that the process or container has started.
	Running
	// Completed means ended with exit code 0, or stopped by request.
	Completed
	// Failed means ended in any other way, or could not be started.
	Failed
)

// States lists all states in the order of a task's life.
var States = [...]State{Pending, Scheduled, Running, Completed, Failed}

var stateWords = [...]string{"pending", "scheduled", "running", "completed", "failed"}

// transitions is the whole table of legal moves. Staying in a state is no move
// and is always allowed.
var transitions = map[State][]State{
	// stopped before it ran: completed.
	Pending: {Scheduled, Completed},
	// refused by the worker or node lost: pending.
	Scheduled: {Running, Failed, Pending, Completed},
	// node lost: pending under a new allocation; restart: scheduled.
	Running: {Completed, Failed, Pending, Scheduled},
	// restart policy "always".
	Completed: {Scheduled},
	// restart policies "on-failure" and "always".
	Failed: {Scheduled},
}

// String returns the word for s, or "state(9)" for a number that is no state.
func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Ended reports whether the task has come to an end: completed or failed.
func (s State) Ended() bool { return s == Completed || s == Failed }

// CanMoveTo reports whether the table of transitions allows s → next.
// Staying where one is counts as allowed.
func (s State) CanMoveTo(next State) bool {
	if s == next {
		return true
	}
	for _, to := range transitions[s] {
		if to == next {
			return true
		}
	}
	return false
}

// TransitionError says that a move is not in the table of transitions.
type TransitionError struct {
	From, To State
}

// Error names both states.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("a task that is %s cannot become %s", e.From, e.To)
}

// MoveTo checks the move s → next against the table. The error is a
// [*TransitionError].
func (s State) MoveTo(next State) error {
	if s.CanMoveTo(next) {
		return nil
	}
	return &TransitionError{From: s, To: next}
}

// ParseState reads a state's word or its number in decimal.
func ParseState(text string) (State, error) {
	for i, word := range stateWords {
		if text == word {
			return State(i), nil
		}
	}
	if n, err := strconv.ParseUint(text, 10, 8); err == nil && int(n) < len(stateWords) {
		return State(n), nil
	}
	return 0, fmt.Errorf("%q is not a state: want pending, scheduled, running, completed or failed (or 0 to 4)", text)
}

// MarshalJSON writes the word.
func (s State) MarshalJSON() ([]byte, error) {
	if int(s) >= len(stateWords) {
		return nil, fmt.Errorf("%d is not a state", uint8(s))
	}
	return json.Marshal(stateWords[s])
}

// UnmarshalJSON reads a word or the book's number.
func (s *State) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	parsed, err := ParseState(text)
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
