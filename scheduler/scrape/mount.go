package scrape

// mount is a figure of the filesystem that holds the data root: of all mounts
// above it, the one with the longest path.
type mount struct {
	point int // length of its path; 0 is none yet
	bytes float64
}

// offer keeps the value if the mountpoint is the nearest one above root so far.
// Of two mounts on one point the later one on the page stands: both report the
// one that is visible there.
func (m *mount) offer(mountpoint []byte, root string, value float64) {
	if len(mountpoint) > 0 && len(mountpoint) >= m.point && holds(mountpoint, root) {
		m.point, m.bytes = len(mountpoint), value
	}
}

// holds reports whether the directory is the path or above it.
func holds(directory []byte, path string) bool {
	if string(directory) == "/" {
		return true
	}
	n := len(directory)
	return len(path) >= n && path[:n] == string(directory) && (len(path) == n || path[n] == '/')
}
