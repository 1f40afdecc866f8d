package store

import (
	"sync"

	"mazad/audience"
)

// keyCache remembers keys that were read lately: a beacon of a known user seals
// its personal block, and two system calls for the key were a tenth of its cost.
// A key is dropped when it is destroyed, before Forget returns.
type keyCache struct {
	shards [keyShards]keyShard
}

const (
	keyShards = 64
	keySlots  = 1024 // a shard; 2.6 MiB in all
)

type keyShard struct {
	mu    sync.Mutex // guards the rest; held while a key is read, so that forget comes before or after
	slots [keySlots]struct {
		ord audience.UserOrd // 0: empty
		key Key
	}
}

// read returns the key from memory or from the file.
func (c *keyCache) read(k *keyFile, ord audience.UserOrd) (Key, bool, error) {
	s := &c.shards[ord%keyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &s.slots[ord/keyShards%keySlots]
	if slot.ord == ord && ord != 0 {
		return slot.key, true, nil
	}
	records, err := k.records()
	if err != nil || ord == 0 || ord > records {
		return Key{}, false, err
	}
	key, ok, err := k.read(ord)
	if ok && err == nil {
		slot.ord, slot.key = ord, key
	}
	return key, ok, err
}

// forget drops a key; the file no longer has it.
func (c *keyCache) forget(ord audience.UserOrd) {
	s := &c.shards[ord%keyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := &s.slots[ord/keyShards%keySlots]; slot.ord == ord {
		slot.ord, slot.key = 0, Key{}
	}
}
