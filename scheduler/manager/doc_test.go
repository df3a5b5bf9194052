package manager

import (
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cube/scheduler"
	"cube/worker/task"
	"cube/worker/wire"
)

// transitionsOf reads the lines "from → to: why" below a heading of doc.go.
func transitionsOf(t *testing.T, heading string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(file.Doc.Text(), "# "+heading)
	if !found {
		t.Fatalf("doc.go has no heading %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n# ")
	var moves []string
	for _, match := range regexp.MustCompile(`(?m)^\t(\w+ → \w+): \S`).FindAllStringSubmatch(part, -1) {
		moves = append(moves, match[1])
	}
	slices.Sort(moves)
	return moves
}

func TestDocNamesEveryTransitionOfATask(t *testing.T) {
	var want []string
	for _, from := range task.States {
		for _, to := range task.States {
			if from != to && from.CanMoveTo(to) {
				want = append(want, from.String()+" → "+to.String())
			}
		}
	}
	slices.Sort(want)
	if got := transitionsOf(t, "States of a task"); !slices.Equal(got, want) {
		t.Errorf("doc.go has\n%s\nthe code has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every pair of states that a node can show one after the other, found by
// letting one thing happen to a node in each of its states.
func TestDocNamesEveryTransitionOfANode(t *testing.T) {
	cfg := &scheduler.Config{StaleAfter: 15 * time.Second, DownAfter: time.Minute}
	var want []string
	note := func(from, to wire.NodeState) {
		if move := string(from) + " → " + string(to); from != to && !slices.Contains(want, move) {
			want = append(want, move)
		}
	}
	const age = scheduler.Instant(time.Second)
	for _, read := range []bool{false, true} {
		for _, draining := range []bool{false, true} {
			for _, at := range []scheduler.Instant{0, 15 * age, 16 * age, 60 * age, 61 * age} {
				n := node{read: read, listed: read, record: NodeRecord{Draining: draining}}
				now := n.state(at, cfg)
				n.down = now == wire.NodeDown
				if read || at <= 60*age {
					note(now, n.state(at+age, cfg)) // time passes
				}
				told := n
				told.record.Draining = !draining
				if read && at <= 15*age {
					note(now, told.state(at, cfg)) // drain or resume
				}
				heard := n
				heard.read, heard.listed, heard.down, heard.readAt = true, true, false, at
				note(now, heard.state(at, cfg)) // a reading
			}
		}
	}
	slices.Sort(want)
	if got := transitionsOf(t, "States of a node"); !slices.Equal(got, want) {
		t.Errorf("doc.go has\n%s\nthe code has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDrainingNodeTakesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "node-1")
		kept := f.submit(nil)
		if err := f.Drain("node-1", 0); err != nil {
			t.Fatal(err)
		}
		waiting := f.submit(nil)
		f.is(kept, task.Running, "node-1")
		if reason := f.is(waiting, task.Pending, "").PendingReason; !contains(reason, "drain") {
			t.Errorf("the reason is %q", reason)
		}
		f.restart()
		if state := f.nodeState("node-1"); state != wire.NodeDraining {
			t.Errorf("after a restart the node is %s", state)
		}
		if err := f.Resume("node-1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.is(waiting, task.Running, "node-1")
	})
}
