package collector

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

var diskLabels = []string{"mountpoint", "device", "fstype"}

var (
	diskTotalDesc = prometheus.NewDesc("cube_disk_total_bytes",
		"Size of the file system, in bytes.", diskLabels, nil)
	diskAvailableDesc = prometheus.NewDesc("cube_disk_available_bytes",
		"Bytes that an ordinary user can still write.", diskLabels, nil)
	diskFreeDesc = prometheus.NewDesc("cube_disk_free_bytes",
		"Free bytes, root's reserve among them.", diskLabels, nil)
	diskUsedDesc = prometheus.NewDesc("cube_disk_used_bytes",
		"Bytes in use: size less free.", diskLabels, nil)
	diskInodesDesc = prometheus.NewDesc("cube_disk_inodes",
		"Inodes the file system has; not there where it makes them as needed.", diskLabels, nil)
	diskInodesFreeDesc = prometheus.NewDesc("cube_disk_inodes_free",
		"Inodes that are free.", diskLabels, nil)
	diskErrorDesc = prometheus.NewDesc("cube_disk_device_error",
		"1 where the file system could not be read or does not answer, 0 where it could.", diskLabels, nil)
	dataTotalDesc = prometheus.NewDesc("cube_data_disk_total_bytes",
		"Size of the file system that tasks' data is kept on, in bytes.", nil, nil)
	dataAvailableDesc = prometheus.NewDesc("cube_data_disk_available_bytes",
		"Bytes that an ordinary user can still write to the file system that tasks' data is kept on.", nil, nil)
)

// diskReading is what a file system has: bytes and inodes.
type diskReading struct {
	total, available, free float64
	inodes, inodesFree     uint64
}

func (r diskReading) used() float64 { return r.total - r.free }

// diskOf turns the answer of statfs into bytes. Blocks are counted in f_frsize;
// old file systems leave it 0 and mean f_bsize (statfs(2)).
func diskOf(buf *unix.Statfs_t) diskReading {
	unit := float64(buf.Frsize)
	if unit <= 0 {
		unit = float64(buf.Bsize)
	}
	return diskReading{
		total: float64(buf.Blocks) * unit, available: float64(buf.Bavail) * unit, free: float64(buf.Bfree) * unit,
		inodes: buf.Files, inodesFree: buf.Ffree,
	}
}

// readDataRoot asks the file system that holds the data root.
func (c *Collector) readDataRoot() (diskReading, error) {
	result := c.disks.all([]string{c.cfg.DataRoot}, c.cfg.StatfsTimeout)[0]
	if result.err != nil {
		return diskReading{}, fmt.Errorf("the file system of the data root %s: %w", c.cfg.DataRoot, result.err)
	}
	return diskOf(&result.buf), nil
}

// collectDisks asks all file systems at once. One that fails says so itself.
func (c *Collector) collectDisks(emit emitter) error {
	mounts, err := c.readMounts()
	if err != nil {
		return err
	}
	paths := make([]string, len(mounts), len(mounts)+1)
	for i, m := range mounts {
		paths[i] = filepath.Join(c.cfg.RootPath, m.point)
	}
	results := c.disks.all(append(paths, c.cfg.DataRoot), c.cfg.StatfsTimeout)
	for i, m := range mounts {
		emitDisk(emit, m, &results[i])
	}
	if data := &results[len(mounts)]; data.err == nil {
		reading := diskOf(&data.buf)
		emit(dataTotalDesc, prometheus.GaugeValue, reading.total)
		emit(dataAvailableDesc, prometheus.GaugeValue, reading.available)
	}
	return nil
}

func emitDisk(emit emitter, m mount, result *statfsResult) {
	labels := []string{strings.ToValidUTF8(m.point, "\uFFFD"), m.device, m.fstype}
	if result.err != nil {
		emit(diskErrorDesc, prometheus.GaugeValue, 1, labels...)
		return
	}
	emit(diskErrorDesc, prometheus.GaugeValue, 0, labels...)
	r := diskOf(&result.buf)
	if r.total == 0 { // a pseudo file system
		return
	}
	emit(diskTotalDesc, prometheus.GaugeValue, r.total, labels...)
	emit(diskAvailableDesc, prometheus.GaugeValue, r.available, labels...)
	emit(diskFreeDesc, prometheus.GaugeValue, r.free, labels...)
	emit(diskUsedDesc, prometheus.GaugeValue, r.used(), labels...)
	if r.inodes > 0 {
		emit(diskInodesDesc, prometheus.GaugeValue, float64(r.inodes), labels...)
		emit(diskInodesFreeDesc, prometheus.GaugeValue, float64(r.inodesFree), labels...)
	}
}
