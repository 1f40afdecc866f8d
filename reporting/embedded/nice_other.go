//go:build !linux

package embedded

func giveWay() {}
