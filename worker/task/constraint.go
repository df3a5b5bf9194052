package task

import (
	"fmt"
	"strings"
)

// Constraint is one condition on a node's labels.
type Constraint struct {
	Label string
	Equal bool // false: "!="
	Value string
}

// ParseConstraint reads "zone==a" or "zone!=a", the words of Docker Swarm.
func ParseConstraint(text string) (Constraint, error) {
	for _, op := range [...]string{"==", "!="} {
		label, value, found := strings.Cut(text, op)
		label, value = strings.TrimSpace(label), strings.TrimSpace(value)
		if found && label != "" && value != "" {
			return Constraint{Label: label, Equal: op == "==", Value: value}, nil
		}
	}
	return Constraint{}, fmt.Errorf("%q is not a constraint: want label==value or label!=value", text)
}

// Met reports whether a node with these labels meets the condition. A label
// that is not there is unequal to every value.
func (c Constraint) Met(labels map[string]string) bool {
	value, there := labels[c.Label]
	return (there && value == c.Value) == c.Equal
}

// String writes the constraint as it is read.
func (c Constraint) String() string {
	if c.Equal {
		return c.Label + "==" + c.Value
	}
	return c.Label + "!=" + c.Value
}
