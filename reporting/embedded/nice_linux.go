package embedded

import (
	"os"
	"strconv"
	"syscall"
)

// reportsNice is how much the child gives way: ads and beacons are waited for by
// people, inserts and merges are not.
const reportsNice = 10

// giveWay lowers the priority of every thread; those to come inherit it. Two
// rounds, because a thread may be born in the first. What cannot be lowered stays.
func giveWay() {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, t := range tasks {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, reportsNice)
			}
		}
	}
}
