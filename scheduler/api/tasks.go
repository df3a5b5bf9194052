package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"cube/scheduler/manager"
	"cube/worker/task"
	"cube/worker/wire"
)

// submitTask answers POST /tasks: 201 once the task is on disk, 200 for one
// that was accepted before.
func (a *api) submitTask(w http.ResponseWriter, r *http.Request) error {
	bodies, isList, err := wire.DecodeTasks(r)
	if err != nil {
		return err
	}
	if isList {
		return a.submitTasks(w, r, bodies)
	}
	placed, created, err := a.manager.Submit(r.Context(), bodies[0].Task)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", "/tasks/"+placed.ID.String())
	}
	text, err := placed.AppendJSON(nil)
	if err != nil {
		return err
	}
	wire.WriteBody(w, status, append(text, '\n'))
	return nil
}

// submitTasks answers a list of tasks with what became of each: 201 where all
// were accepted now, 200 where some were accepted before, 207 where some were
// refused.
func (a *api) submitTasks(w http.ResponseWriter, r *http.Request, bodies []wire.TaskBody) error {
	var tasks []*task.Task
	for _, body := range bodies {
		if body.Err == nil {
			tasks = append(tasks, body.Task)
		}
	}
	accepted, err := a.manager.SubmitAll(r.Context(), tasks)
	if err != nil {
		return err
	}
	outcomes := make([]wire.Submitted, len(bodies))
	for i, body := range bodies {
		if body.Err != nil {
			outcomes[i] = wire.Refused(uuid.Nil, body.Err)
		} else {
			outcomes[i], accepted = accepted[0], accepted[1:]
		}
		if outcomes[i].HTTPStatusCode == http.StatusCreated {
			wire.Made(w, "/tasks/"+outcomes[i].ID.String())
		}
	}
	wire.WriteJSON(w, statusOf(outcomes), outcomes)
	return nil
}

// statusOf sums up what became of many tasks.
func statusOf(outcomes []wire.Submitted) int {
	status := http.StatusCreated
	for i := range outcomes {
		switch {
		case outcomes[i].Error != nil:
			return http.StatusMultiStatus
		case outcomes[i].HTTPStatusCode == http.StatusOK:
			status = http.StatusOK
		}
	}
	return status
}

// listTasks answers GET /tasks: a list, or for who accepts it a stream of
// changes.
func (a *api) listTasks(w http.ResponseWriter, r *http.Request) error {
	if wantsEvents(r) {
		return a.streamTasks(w, r)
	}
	query := r.URL.Query()
	filter, err := taskFilter(query)
	if err != nil {
		return err
	}
	// The version is read before the list: it never claims more than there is.
	tag := a.manager.Version().String()
	if notModified(w, r, tag) {
		return nil
	}
	page := a.manager.Tasks(filter)
	if page.Next > 0 {
		query.Set("after", strconv.FormatUint(page.Next, 10))
		w.Header().Set("Link", fmt.Sprintf("</tasks?%s>; rel=\"next\"", query.Encode()))
	}
	return wire.WriteList(w, page.All())
}

// taskFilter reads ?state= (more than once: any of them), node, name, after and
// limit.
func taskFilter(query url.Values) (manager.Filter, error) {
	filter := manager.Filter{Node: query.Get("node"), Name: query.Get("name")}
	for _, text := range query["state"] {
		state, err := task.ParseState(text)
		if err != nil {
			return filter, wire.New(wire.CodeInvalid, "state: %v", err).WithField("state")
		}
		filter.States = append(filter.States, state)
	}
	if text := query.Get("after"); text != "" {
		after, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return filter, wire.New(wire.CodeInvalid, "after: %q is not a cursor; take it from the Link of the page before", text).WithField("after")
		}
		filter.After = after
	}
	if text := query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 {
			return filter, wire.New(wire.CodeInvalid, "limit: %q is not a number of tasks; want 1 or more", text).WithField("limit")
		}
		filter.Limit = limit
	}
	return filter, nil
}

func (a *api) getTask(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	placed, err := a.manager.Task(id)
	if err != nil {
		return err
	}
	return writeTagged(w, r, placed)
}

// stopTask answers DELETE /tasks/{id}: 204 once the wish is on disk.
func (a *api) stopTask(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	if err := a.manager.Stop(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) getDecision(w http.ResponseWriter, r *http.Request) error {
	id, err := taskID(r)
	if err != nil {
		return err
	}
	decision, err := a.manager.Decision(id)
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, decision)
	return nil
}

// taskID reads the path's task ID.
func taskID(r *http.Request) (uuid.UUID, error) {
	text := r.PathValue("id")
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, wire.New(wire.CodeInvalid, "ID: %q is not a UUID", text).WithField("ID")
	}
	return id, nil
}
