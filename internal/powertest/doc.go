// Package powertest takes a disk away from a process under test: it cuts the
// power of an ext4 file system, or fills a small one.
//
// Contract: Mount gives a file system in a file behind a loop device. Cut stops
// every process of a group, waits until each of its threads stands still, shuts
// the file system down without writing its journal, kills the group and mounts
// the image again: what was not synced is gone, as after a power cut. Sectors are
// neither torn nor reordered. Tmpfs gives a small file system that Fill can fill.
// Both need root; without it the test is skipped with one line that says so.
//
// Linux only: elsewhere the package is empty, and so are the tests that use it.
package powertest
