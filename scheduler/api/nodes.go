package api

import (
	"net/http"

	"cube/worker/wire"
)

func (a *api) listNodes(w http.ResponseWriter, r *http.Request) error {
	return writeTagged(w, r, a.manager.Nodes())
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
	force, err := flag(r.URL.Query(), "force")
	if err != nil {
		return err
	}
	if err := a.manager.RemoveNode(r.Context(), r.PathValue("name"), force); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) drainNode(w http.ResponseWriter, r *http.Request) error {
	return a.setDraining(w, r, true)
}

func (a *api) resumeNode(w http.ResponseWriter, r *http.Request) error {
	return a.setDraining(w, r, false)
}

func (a *api) setDraining(w http.ResponseWriter, r *http.Request, draining bool) error {
	name := r.PathValue("name")
	if err := a.manager.Drain(name, draining); err != nil {
		return err
	}
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
