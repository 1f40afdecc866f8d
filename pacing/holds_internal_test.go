package pacing

import "testing"

// In the package: only a Put that stands still between taking its serial and
// looking at its slot, for a whole turn of the ring, finds itself stepped over.
func TestPutMindsThatItWasSteppedOver(t *testing.T) {
	h, err := NewHolds(HoldsConfig{Capacity: 4})
	if err != nil {
		t.Fatal(err)
	}
	h.slots[1].skip(5) // a later turn found the slot occupied, then it became free
	serial, ok := h.Put(&Entry{AdGroup: 7}, 0)
	if !ok || serial != 2 {
		t.Errorf("serial %d, %v; want 2: Expire may have passed 1", serial, ok)
	}
	if n := h.Expire(0, 10, func(*Entry) {}); n != 1 {
		t.Errorf("%d expired", n)
	}
}
