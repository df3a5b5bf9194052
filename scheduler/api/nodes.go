package api

import (
	"net/http"
	"net/url"
	"time"

	"cube/worker/wire"
)

// listNodes answers GET /nodes. It has no tag: the readings are older each time.
func (a *api) listNodes(w http.ResponseWriter, _ *http.Request) error {
	return wire.WriteList(w, a.manager.Nodes())
}

// joinNode answers POST /nodes: 201 once the node is on disk.
func (a *api) joinNode(w http.ResponseWriter, r *http.Request) error {
	var join wire.Join
	if err := wire.Decode(r, &join); err != nil {
		return err
	}
	node, err := a.manager.Join(r.Context(), join)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/nodes/"+url.PathEscape(node.Name)) // the audit names it, too
	wire.WriteJSON(w, http.StatusCreated, node)
	return nil
}

func (a *api) getNode(w http.ResponseWriter, r *http.Request) error {
	node, err := a.manager.Node(r.PathValue("name"))
	if err != nil {
		return err
	}
	return writeTagged(w, r, node)
}

// removeNode answers DELETE /nodes/{name}: 204; 409 while it has live tasks,
// unless ?force=1.
func (a *api) removeNode(w http.ResponseWriter, r *http.Request) error {
	force, err := wire.ParseFlag(r.URL.Query(), "force")
	if err != nil {
		return err
	}
	if err := a.manager.RemoveNode(r.Context(), r.PathValue("name"), force); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// drainNode answers POST /nodes/{name}/drain.
func (a *api) drainNode(w http.ResponseWriter, r *http.Request) error {
	var drain wire.Drain
	if err := wire.Decode(r, &drain); err != nil {
		return err
	}
	if drain.MoveWithin < 0 {
		return wire.New(wire.CodeInvalid, "MoveWithin: is negative; want 0 or more seconds").WithField("MoveWithin")
	}
	return a.answerNode(w, r, a.manager.Drain(r.PathValue("name"), time.Duration(drain.MoveWithin)))
}

func (a *api) resumeNode(w http.ResponseWriter, r *http.Request) error {
	return a.answerNode(w, r, a.manager.Resume(r.PathValue("name")))
}

// answerNode answers with the node that was changed.
func (a *api) answerNode(w http.ResponseWriter, r *http.Request, err error) error {
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	node, err := a.manager.Node(name)
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, node)
	return nil
}

// listTargets answers GET /sd, Prometheus' HTTP service discovery. The manager
// is named by the address at which it was asked.
func (a *api) listTargets(w http.ResponseWriter, r *http.Request) error {
	self := "http://" + r.Host
	if r.TLS != nil {
		self = "https://" + r.Host
	}
	return writeTagged(w, r, a.manager.Targets(self))
}
