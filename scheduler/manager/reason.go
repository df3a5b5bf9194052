package manager

import (
	"fmt"
	"strings"

	"cube/scheduler"
)

// maxNamed is how many nodes a reason names; the decision has more.
const maxNamed = 3

// reasonOf says in one sentence why a decision found no node.
func reasonOf(d *scheduler.Decision) string {
	switch {
	case d.Nodes == 0:
		return "there is no node yet"
	case len(d.Refused) == 0:
		return fmt.Sprintf("none of %d nodes fits", d.Nodes)
	}
	named := 0
	parts := make([]string, 0, len(d.Refused))
	for _, refused := range d.Refused {
		var examples []string
		for _, example := range refused.Examples {
			if named == maxNamed {
				break
			}
			named++
			examples = append(examples, example.Node+" "+example.Reason)
		}
		part := fmt.Sprintf("%d by %s", refused.Count, refused.Code)
		if len(examples) > 0 {
			part = strings.Join(examples, "; ")
			if more := refused.Count - len(examples); more > 0 {
				part += fmt.Sprintf("; and %d more by %s", more, refused.Code)
			}
		}
		parts = append(parts, part)
	}
	whole := "no node fits: "
	if d.Nodes > 1 {
		whole = fmt.Sprintf("none of %d nodes fits: ", d.Nodes)
	}
	return whole + strings.Join(parts, "; ")
}

// pendingReason is what there is to say about a task that is on no node.
func (m *Manager) pendingReason(e *entry) string {
	switch {
	case !e.pending():
		return ""
	case e.waiting != nil:
		return e.waiting.reason
	default:
		return m.queue.trouble
	}
}
