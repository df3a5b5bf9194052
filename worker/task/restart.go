package task

import (
	"fmt"
	"strconv"
	"strings"
)

// RestartPolicy says when the worker starts an ended task again, in Docker's
// words: "no" (or empty), "on-failure", "on-failure:5" (at most five times),
// "always". The book's "unless-stopped" means the same as "always" here, since
// a requested stop always ends a task.
type RestartPolicy string

// The policies without a bound.
const (
	RestartNo        RestartPolicy = "no"
	RestartOnFailure RestartPolicy = "on-failure"
	RestartAlways    RestartPolicy = "always"
)

// parse splits the policy into its word and its bound (0: none).
func (p RestartPolicy) parse() (word RestartPolicy, most int, err error) {
	name, bound, bounded := strings.Cut(string(p), ":")
	switch RestartPolicy(name) {
	case "", RestartNo:
		word = RestartNo
	case RestartOnFailure:
		word = RestartOnFailure
	case RestartAlways, "unless-stopped":
		word = RestartAlways
	default:
		return "", 0, fmt.Errorf("%q is not a restart policy: want no, on-failure, on-failure:N or always", string(p))
	}
	if !bounded {
		return word, 0, nil
	}
	most, err = strconv.Atoi(bound)
	if err != nil || most < 1 || word != RestartOnFailure {
		return "", 0, fmt.Errorf("%q is not a restart policy: only on-failure takes a bound, of 1 or more", string(p))
	}
	return word, most, nil
}

// Again reports whether a task that ended in state ended, after it was
// restarted restarts times, is to be started once more. It is not asked about
// a task whose stop was requested.
func (p RestartPolicy) Again(ended State, restarts int) bool {
	word, most, err := p.parse()
	if err != nil {
		return false
	}
	switch word {
	case RestartAlways:
		return ended.Ended()
	case RestartOnFailure:
		return ended == Failed && (most == 0 || restarts < most)
	default:
		return false
	}
}
