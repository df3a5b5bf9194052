// Package cgroup reads control groups, version 1, version 2 and the two side by
// side: what a group has used and what it is bound to. It is the one reader of
// cgroups in Cube; it writes none.
//
// In it may be: finding where the hierarchies are mounted, finding a process's
// group, and reading one group's files. It imports nothing of Cube.
//
// A controller (memory, cpu, …) is in one hierarchy only. Where a version 1
// hierarchy has it, that one is read; the version 2 hierarchy serves what is
// left. So one [Group] is a directory in each of several hierarchies, and its
// methods hide from which of them a figure comes.
package cgroup
