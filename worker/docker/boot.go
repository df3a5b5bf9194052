package docker

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/prometheus/procfs"
)

// boot is one boot of the engine's machine.
type boot struct {
	id string    // the kernel's name for it; empty if not known
	at time.Time // zero if not known
}

// thisBoot is the boot that goes on, if the engine's machine is this one.
func thisBoot(host, procPath string) boot {
	if !strings.HasPrefix(host, "unix://") {
		return boot{}
	}
	var b boot
	if text, err := os.ReadFile(filepath.Join(procPath, "sys/kernel/random/boot_id")); err == nil {
		b.id = strings.TrimSpace(string(text))
	}
	if proc, err := procfs.NewFS(procPath); err == nil {
		if stat, err := proc.Stat(); err == nil {
			b.at = time.Unix(int64(stat.BootTime), 0)
		}
	}
	return b
}

// inventedCode is the exit code that an engine gives a container of which it
// found no trace when it started.
const inventedCode = 255

// interrupted reports whether an ended container was running when the machine
// went down. The engine, once it is up again, invents an exit code (255; 24.0
// wrote 0, see https://github.com/moby/moby/issues/45788) and the present time
// for its end.
//
// Times alone do not tell: they are those of a clock that may be wrong when a
// machine comes up, and is set later. So a container carries the boot it was made
// in; and none is started in another one.
func (b boot) interrupted(c container.InspectResponse) bool {
	started, finished := engineTime(c.State.StartedAt), engineTime(c.State.FinishedAt)
	switch b.sees(c) {
	case same:
		return false
	case other:
		return c.State.ExitCode == inventedCode || !finished.Before(b.at)
	default:
		return started.Before(b.at) && !finished.Before(b.at)
	}
}

// sight is whether a container is of this boot.
type sight int

const (
	unknown sight = iota
	same
	other
)

func (b boot) sees(c container.InspectResponse) sight {
	made := c.Config.Labels[labelBoot]
	switch {
	case made == "" || b.id == "":
		return unknown
	case made == b.id:
		return same
	}
	return other
}
