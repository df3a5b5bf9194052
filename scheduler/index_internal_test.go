package scheduler

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
)

// The index holds what a map holds, whatever comes and goes: in a table that is
// small for what is in it, so that tasks stand in each other's places.
func TestTaskIndexIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	x, want := newTaskIndex(), make(map[uuid.UUID]*placed)
	for range 200_000 {
		id := uuid.UUID{byte(random.IntN(200))}
		task := want[id]
		if got := x.find(id); got != task {
			t.Fatalf("found %p, want %p", got, task)
		}
		if task != nil {
			x.remove(task)
			delete(want, id)
			continue
		}
		want[id] = &placed{id: id}
		x.add(want[id])
	}
	if x.tasks != len(want) {
		t.Errorf("the index counts %d, there are %d", x.tasks, len(want))
	}
}
