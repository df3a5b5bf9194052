package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// units copies the units, with a program that exists on this machine.
func units(t *testing.T) (analyze string, worker, manager string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (Debian's package systemd has it)")
	}
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cube-worker.service", "cube-manager.service"} {
		unit := read(t, filepath.Join("systemd", name))
		moved := strings.Replace(unit, "/usr/local/bin/cube", program, 1)
		if moved == unit {
			t.Fatalf("%s does not start /usr/local/bin/cube", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(moved), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return analyze, filepath.Join(dir, "cube-worker.service"), filepath.Join(dir, "cube-manager.service")
}

func TestSystemdAcceptsUnits(t *testing.T) {
	t.Parallel()
	analyze, worker, manager := units(t)
	out, err := exec.CommandContext(t.Context(), analyze, "verify", worker, manager).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		// Known from version 254 on; ignored before.
		if !strings.Contains(line, "DelegateSubgroup") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

func TestSystemdFindsTheManagerHardened(t *testing.T) {
	t.Parallel()
	analyze, _, manager := units(t)
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=20", manager).CombinedOutput()
	if err != nil {
		t.Errorf("its exposure is above 2.0: %v\n%s", err, out)
	}
}

// What would take tasks along with their worker, or hide file systems from it.
func TestWorkerUnitLetsTasksLive(t *testing.T) {
	t.Parallel()
	unit := read(t, "systemd/cube-worker.service")
	for _, needed := range []string{"\nKillMode=process\n", "\nDelegate=yes\n", "\nOOMPolicy=continue\n"} {
		if !strings.Contains(unit, needed) {
			t.Errorf("the unit lacks %q", strings.TrimSpace(needed))
		}
	}
	for _, harmful := range []string{
		"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectProc", "ProtectControlGroups",
		"ProtectKernelTunables", "ReadOnlyPaths", "InaccessiblePaths", "MemoryDenyWriteExecute", "SystemCallFilter", "PrivateNetwork",
	} {
		if strings.Contains(unit, "\n"+harmful+"=") {
			t.Errorf("the unit has %s, which tasks would inherit or which hides file systems", harmful)
		}
	}
}
