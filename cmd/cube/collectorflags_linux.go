package main

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"cube/collector"
)

// collectorFlags is how the machine is measured.
type collectorFlags struct {
	procPath, sysPath, rootPath string
	dataRoot                    string
	window                      time.Duration
	mountPointsInclude          string
	mountPointsExclude          string
	fsTypesInclude              string
	fsTypesExclude              string
	scope                       string
	readOnly                    bool
}

func defaultCollectorFlags() collectorFlags {
	return collectorFlags{
		procPath: "/proc", sysPath: "/sys", rootPath: "/", scope: "auto", window: collector.DefaultWindow,
		mountPointsExclude: collector.DefaultMountPointsExclude, fsTypesExclude: collector.DefaultFSTypesExclude,
	}
}

func (f *collectorFlags) add(cmd *kingpin.CmdClause) {
	d := defaultCollectorFlags()
	cmd.Flag("path.procfs", "Where the host's /proc is seen.").Default(d.procPath).StringVar(&f.procPath)
	cmd.Flag("path.sysfs", "Where the host's /sys is seen.").Default(d.sysPath).StringVar(&f.sysPath)
	cmd.Flag("path.rootfs", "Where the host's / is seen.").Default(d.rootPath).StringVar(&f.rootPath)
	cmd.Flag("path.data", "Directory that tasks' data is kept in, whose disk tasks are promised; by default the data directory.").StringVar(&f.dataRoot)
	cmd.Flag("collector.cpu.window", "How long CPU usage is averaged over.").Default(d.window.String()).DurationVar(&f.window)
	cmd.Flag("collector.scope", "Whose CPU and memory are measured: host, cgroup (that of the tasks), or auto.").
		Default(d.scope).EnumVar(&f.scope, "auto", "host", "cgroup")
	cmd.Flag("collector.filesystem.mount-points-include", "Regular expression of mount points to measure; others are left out.").
		StringVar(&f.mountPointsInclude)
	cmd.Flag("collector.filesystem.fs-types-include", "Regular expression of file system types to measure; others are left out.").
		StringVar(&f.fsTypesInclude)
	cmd.Flag("collector.filesystem.mount-points-exclude", "Regular expression of mount points to leave out.").
		Default(d.mountPointsExclude).StringVar(&f.mountPointsExclude)
	cmd.Flag("collector.filesystem.fs-types-exclude", "Regular expression of file system types to leave out.").
		Default(d.fsTypesExclude).StringVar(&f.fsTypesExclude)
	cmd.Flag("collector.filesystem.read-only", "Measure file systems that are mounted read-only, too.").BoolVar(&f.readOnly)
}

// matchesNothing is what an empty expression excludes.
var matchesNothing = regexp.MustCompile(`\z.`)

// open makes the collector of a worker; a share takes the place of its scope.
func (f *collectorFlags) open(w *workerFlags, share *collector.Share, log *slog.Logger) (*collector.Collector, error) {
	scope, err := collector.ParseScope(f.scope)
	if err != nil {
		return nil, err
	}
	filters := map[string]*regexp.Regexp{}
	for flag, expression := range map[string]string{
		"mount-points-include": f.mountPointsInclude, "mount-points-exclude": f.mountPointsExclude,
		"fs-types-include": f.fsTypesInclude, "fs-types-exclude": f.fsTypesExclude,
	} {
		if expression == "" {
			if strings.HasSuffix(flag, "exclude") {
				filters[flag] = matchesNothing
			}
			continue
		}
		if filters[flag], err = regexp.Compile(expression); err != nil {
			return nil, fmt.Errorf("--collector.filesystem.%s: %w", flag, err)
		}
	}
	dataRoot := f.dataRoot
	if dataRoot == "" {
		dataRoot = w.dataDir
	}
	return collector.New(collector.Config{
		ProcPath: f.procPath, SysPath: f.sysPath, RootPath: f.rootPath, DataRoot: dataRoot,
		Window: f.window, MinWindow: min(collector.DefaultMinWindow, f.window), CPU: w.capacity.Cpu,
		Scope: scope, Cgroup: w.cgroupParent, Share: share,
		MountPointsInclude: filters["mount-points-include"], MountPointsExclude: filters["mount-points-exclude"],
		FSTypesInclude: filters["fs-types-include"], FSTypesExclude: filters["fs-types-exclude"],
		ReadOnly: f.readOnly, Log: log,
	})
}

// nodeInfo says who the worker is.
func nodeInfo(node, runtime string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cube_node_info", Help: "Always 1; the labels say which worker this is.",
		ConstLabels: prometheus.Labels{"node": node, "version": version.Version, "runtime": runtime},
	})
	info.Set(1)
	return info
}
