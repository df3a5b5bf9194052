package api

import (
	"net/http"
)

// backUp answers POST /backup with a copy of the store. It is a POST because
// the store has what lists mask: who may read it has to be allowed to write.
func (a *api) backUp(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="manager.db"`)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	written, err := a.manager.Backup(w)
	if err == nil {
		a.log.Info("A backup was taken.", "bytes", written)
		return nil
	}
	if written == 0 {
		w.Header().Del("Content-Disposition")
		return err
	}
	a.log.Warn("A backup broke off.", "bytes", written, "error", err)
	// A copy that is cut off must not look whole.
	panic(http.ErrAbortHandler)
}
