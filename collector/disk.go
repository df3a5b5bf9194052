package collector

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"cube/collector/families"
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
	data := place{path: c.cfg.DataRoot}
	if asked, err := c.mounts.read(); err == nil {
		data = asked.places[asked.data]
	}
	result := c.disks.all([]place{data}, c.cfg.StatfsTimeout)[0]
	if result.err != nil {
		return diskReading{}, fmt.Errorf("the file system of the data root %s: %w", c.cfg.DataRoot, result.err)
	}
	return diskOf(&result.buf), nil
}

// collectDisks asks all file systems at once. One that fails says so itself.
func (c *Collector) collectDisks(_ time.Time, p *families.Page) error {
	asked, err := c.mounts.read()
	if err != nil {
		return err
	}
	results := c.disks.all(asked.places, c.cfg.StatfsTimeout)
	for i, m := range asked.mounts {
		setDisk(p, m, &results[i])
	}
	data := &results[asked.data]
	if data.err == nil {
		r := diskOf(&data.buf)
		p.Set(dataDiskTotal, r.total, nil)
		p.Set(dataDiskAvailable, r.available, nil)
	}
	c.logData(data.err)
	return nil
}

// logData says that the data root began to fail: where no mount is known that
// holds it, no cube_disk_device_error says so.
func (c *Collector) logData(err error) {
	if err != nil && c.dataFailing.CompareAndSwap(false, true) {
		c.cfg.Log.Warn("the file system of tasks' data cannot be measured", "path", c.cfg.DataRoot, "err", err)
	} else if err == nil && c.dataFailing.Load() {
		c.dataFailing.Store(false)
	}
}

func setDisk(p *families.Page, m mount, result *statfsResult) {
	if result.err != nil {
		p.Set(diskDeviceError, 1, m.labels)
		return
	}
	p.Set(diskDeviceError, 0, m.labels)
	r := diskOf(&result.buf)
	if r.total == 0 { // a pseudo file system
		return
	}
	p.Set(diskTotal, r.total, m.labels)
	p.Set(diskAvailable, r.available, m.labels)
	p.Set(diskFree, r.free, m.labels)
	p.Set(diskUsed, r.used(), m.labels)
	if r.inodes > 0 {
		p.Set(diskInodes, float64(r.inodes), m.labels)
		p.Set(diskInodesFree, float64(r.inodesFree), m.labels)
	}
}
