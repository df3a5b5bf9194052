package swarmkit

import (
	"strconv"
	"testing"

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/identity"
	"github.com/moby/swarmkit/v2/manager/scheduler"
	"github.com/moby/swarmkit/v2/manager/state"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// placeBySwarmKit runs SwarmKit's scheduler until it has assigned every task.
func placeBySwarmKit(b *testing.B, batch bool, s scale) result {
	b.Helper()
	memory := store.NewMemoryStore(nil)
	defer memory.Close()
	placer := scheduler.New(memory)
	updates, cancel := state.Watch(memory.WatchQueue(), api.EventUpdateTask{})
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- placer.Run(b.Context()) }()

	var w watch
	err := memory.Update(func(tx store.Tx) error {
		if err := addNodes(tx, s.nodes); err != nil {
			return err
		}
		if err := addTasks(tx, s.tasks, batch); err != nil {
			return err
		}
		w = startWatch(b)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for range s.tasks {
		<-updates
	}
	r := w.stop(b, s.tasks)
	placer.Stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return r
}

func addNodes(tx store.Tx, n int) error {
	for i := range n {
		node := &api.Node{
			ID:          identity.NewID(),
			Spec:        api.NodeSpec{Annotations: api.Annotations{Name: "name" + strconv.Itoa(i), Labels: map[string]string{}}},
			Status:      api.NodeStatus{State: api.NodeStatus_READY},
			Description: &api.NodeDescription{Engine: &api.EngineDescription{}},
		}
		if err := store.CreateNode(tx, node); err != nil {
			return err
		}
	}
	return nil
}

// addTasks adds tasks that belong to no service, or all to one.
func addTasks(tx store.Tx, n int, oneService bool) error {
	for i := range n {
		id := "task" + strconv.Itoa(i)
		t := &api.Task{
			ID:                 id,
			DesiredState:       api.TaskStateRunning,
			ServiceAnnotations: api.Annotations{Name: id},
			Status:             api.TaskStatus{State: api.TaskStatePending},
		}
		if oneService {
			t.ServiceID, t.SpecVersion = "service", &api.Version{Index: 1}
			t.ServiceAnnotations.Name = "service"
		}
		if err := store.CreateTask(tx, t); err != nil {
			return err
		}
	}
	return nil
}
