package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os/exec"
	"testing"
	"time"
)

// On the real machine, under a busy loop of known duty, the ratio agrees with
// mpstat over the same seconds within 2 points. mpstat begins and ends some
// milliseconds off; on a machine whose load jumps at that moment one try may
// miss, so the best of three counts.
func TestRatioAgreesWithMpstat(t *testing.T) {
	path, err := exec.LookPath("mpstat")
	if err != nil {
		t.Skip("mpstat (Debian's sysstat) is not here")
	}
	var off []float64
	for range 3 {
		measured, theirs := measureBeside(t, path)
		off = append(off, measured-theirs)
		if math.Abs(measured-theirs) <= 0.02 {
			return
		}
	}
	t.Errorf("the ratio is off mpstat's by %v", off)
}

// measureBeside returns the busy share while a loop takes half a core, by the
// collector and by mpstat.
func measureBeside(t *testing.T, path string) (measured, theirs float64) {
	t.Helper()
	c, err := New(Config{DataRoot: "/"})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	burned := make(chan struct{})
	go func() {
		defer close(burned)
		burn(ctx, 0.5)
	}()
	mpstat := exec.CommandContext(t.Context(), path, "-o", "JSON", "4", "1")
	var out bytes.Buffer
	mpstat.Stdout = &out
	_, err = c.readCPU(time.Now())
	must(t, err)
	must(t, mpstat.Run())
	figures, err := c.readCPU(time.Now())
	must(t, err)
	stop()
	<-burned
	must(t, c.Close())
	if !figures.known {
		t.Fatal("no ratio after four seconds")
	}
	return figures.usage.ratio, mpstatBusy(t, out.Bytes())
}

// mpstatBusy is all that mpstat does not call idle, as a share.
func mpstatBusy(t *testing.T, text []byte) float64 {
	t.Helper()
	var answer struct {
		Sysstat struct {
			Hosts []struct {
				Statistics []struct {
					Load []struct {
						CPU    string  `json:"cpu"`
						Idle   float64 `json:"idle"`
						Iowait float64 `json:"iowait"`
					} `json:"cpu-load"`
				} `json:"statistics"`
			} `json:"hosts"`
		} `json:"sysstat"`
	}
	must(t, json.Unmarshal(text, &answer))
	for _, host := range answer.Sysstat.Hosts {
		for _, statistics := range host.Statistics {
			for _, load := range statistics.Load {
				if load.CPU == "all" || load.CPU == "-1" {
					return 1 - (load.Idle+load.Iowait)/100
				}
			}
		}
	}
	t.Fatalf("mpstat does not say it: %s", text)
	return 0
}
