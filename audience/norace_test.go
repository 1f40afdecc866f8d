//go:build !race

package audience_test

const raceEnabled = false
