package powertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Disk is an ext4 file system in a file.
type Disk struct {
	Dir   string // where it is mounted
	image string
	t     testing.TB
}

// Mount makes a file system of so many megabytes, or skips the test where that
// is not permitted. It is unmounted when the test ends.
func Mount(t testing.TB, megabytes int64) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a power cut needs root, to mount a file system and shut it down")
	}
	dir := t.TempDir()
	d := &Disk{Dir: filepath.Join(dir, "disk"), image: filepath.Join(dir, "disk.img"), t: t}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(megabytes << 20)
		_ = f.Close()
	}
	if err == nil {
		err = os.Mkdir(d.Dir, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a power cut needs mkfs.ext4: %v %s", err, out)
	}
	if err := d.mount(); err != nil {
		t.Skipf("NOT TESTED: a power cut needs loop devices: %v", err)
	}
	t.Cleanup(func() { d.wait("the file system to be free", func() bool { return d.unmount() == nil }) })
	return d
}

func (d *Disk) mount() error {
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.Dir).CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (d *Disk) unmount() error {
	if out, err := exec.Command("umount", d.Dir).CombinedOutput(); err != nil {
		return fmt.Errorf("umount: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// FS_IOC_SHUTDOWN of ext4 and the flag that keeps it from flushing its journal.
const (
	shutdownRequest = 0x8004587d
	noLogFlush      = 2
)

// Cut takes the power away from the file system and from every process of the
// groups, and mounts what is on the platter. The caller still has to Wait for its
// own children.
func (d *Disk) Cut(groups ...int) {
	d.t.Helper()
	for _, g := range groups {
		d.stop(g)
	}
	dir, err := os.Open(d.Dir)
	if err != nil {
		d.t.Fatal(err)
	}
	flag := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdownRequest, uintptr(unsafe.Pointer(&flag)))
	_ = dir.Close()
	if errno != 0 {
		d.t.Fatalf("shut the file system down: %v", errno)
	}
	for _, g := range groups {
		if err := syscall.Kill(-g, syscall.SIGKILL); err != nil {
			d.t.Fatalf("kill group %d: %v", g, err)
		}
	}
	d.wait("the file system to be free", func() bool { return d.unmount() == nil })
	if err := d.mount(); err != nil {
		d.t.Fatal(err)
	}
}

// stop makes every thread of a group stand still. One that has just forked waits
// in the kernel until its child executes, and the child may be stopped before: then
// the group goes on for a moment and is stopped again.
func (d *Disk) stop(group int) {
	d.t.Helper()
	tries := 0
	d.wait(fmt.Sprintf("group %d to stand still", group), func() bool {
		if tries%200 == 0 {
			_ = syscall.Kill(-group, syscall.SIGCONT)
			if err := syscall.Kill(-group, syscall.SIGSTOP); err != nil {
				d.t.Fatalf("stop group %d: %v", group, err)
			}
		}
		tries++
		return still(group)
	})
}

// wait polls for what the kernel does by itself.
func (d *Disk) wait(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			d.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// still reports whether every thread of every process of the group is stopped.
// Without this wait a system call that is under way may finish after the cut and
// be taken for an acknowledgement of lost data.
func still(group int) bool {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return false
	}
	for _, p := range processes {
		if f := stat(p + "/stat"); len(f) < 3 || f[2] != strconv.Itoa(group) {
			continue
		}
		threads, err := filepath.Glob(p + "/task/*/stat")
		if err != nil {
			return false
		}
		for _, t := range threads {
			if f := stat(t); len(f) > 0 && !strings.Contains("TtZX", f[0]) {
				return false
			}
		}
	}
	return true
}

// stat returns what follows the name of a process in its stat file: state,
// parent, group and so on. It is empty when the process is gone.
func stat(path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
}

// Requests of FIFREEZE and FITHAW, <linux/fs.h>.
const (
	freezeRequest = 0xc0045877
	thawRequest   = 0xc0045878
)

// Freeze makes every write and sync of the file system wait until Thaw: a disk
// that takes that long. Thaw is called at the end of the test at the latest.
func (d *Disk) Freeze() {
	d.t.Helper()
	if err := d.control(freezeRequest); err != nil {
		d.t.Fatalf("freeze: %v", err)
	}
	d.t.Cleanup(func() { _ = d.control(thawRequest) }) // fails when it is done already
}

// Thaw lets go on what waits.
func (d *Disk) Thaw() {
	d.t.Helper()
	if err := d.control(thawRequest); err != nil {
		d.t.Fatalf("thaw: %v", err)
	}
}

func (d *Disk) control(request uintptr) error {
	dir, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), request, 0); errno != 0 {
		return errno
	}
	return nil
}
