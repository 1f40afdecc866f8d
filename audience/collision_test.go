package audience

import "testing"

// Two ids with the same hash are still two users: the whole id is compared.
func TestEqualHashIsNoHit(t *testing.T) {
	d := NewDirectory(1)
	if err := d.Put([]byte("one"), &Profile{Age: 20}); err != nil {
		t.Fatal(err)
	}
	h := hashBytes(1, []byte("one"))
	v := d.shards[h%directoryShards].view.Load()
	if at, _ := v.find(h, []byte("two")); at >= 0 {
		t.Error("another id was taken for this one")
	}
	if at, _ := v.find(h, []byte("one")); at < 0 {
		t.Error("the id was not found")
	}
}
