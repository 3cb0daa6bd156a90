#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "settings.h"

namespace valley::fake {
namespace {

constexpr std::size_t kAlignment = 512;  // bytes, as cudaMalloc's

struct Block {
  std::size_t bytes;
  MemoryPlace place;
};

std::mutex mutex;
std::map<std::uintptr_t, Block> blocks;
std::map<int, std::size_t> used;

void* allocate(std::size_t bytes, MemoryPlace place) {
  const std::size_t rounded =
      (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void* p = std::aligned_alloc(kAlignment, rounded);
  if (p == nullptr) return nullptr;
  if (place.kind == MemoryKind::kDevice) std::memset(p, 0xFF, rounded);
  blocks[reinterpret_cast<std::uintptr_t>(p)] = {rounded, place};
  return p;
}

bool release(void* p, MemoryKind kind) {
  const auto found = blocks.find(reinterpret_cast<std::uintptr_t>(p));
  if (found == blocks.end() || found->second.place.kind != kind) return false;
  if (kind == MemoryKind::kDevice) used[found->second.place.device] -= found->second.bytes;
  blocks.erase(found);
  std::free(p);
  return true;
}

}  // namespace

void* allocate_device(int device, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  if (used[device] + bytes > settings().memory) return nullptr;
  void* p = allocate(bytes, {MemoryKind::kDevice, device});
  if (p != nullptr) used[device] += blocks[reinterpret_cast<std::uintptr_t>(p)].bytes;
  return p;
}

bool free_device(void* p) {
  const std::lock_guard lock(mutex);
  return release(p, MemoryKind::kDevice);
}

void* allocate_pinned(std::size_t bytes) {
  const std::lock_guard lock(mutex);
  return allocate(bytes, {MemoryKind::kPinned, 0});
}

bool free_pinned(void* p) {
  const std::lock_guard lock(mutex);
  return release(p, MemoryKind::kPinned);
}

MemoryPlace place_of(const void* p) {
  const std::lock_guard lock(mutex);
  auto next = blocks.upper_bound(reinterpret_cast<std::uintptr_t>(p));
  if (next == blocks.begin()) return {MemoryKind::kPageable, 0};
  --next;
  const bool is_inside = reinterpret_cast<std::uintptr_t>(p) < next->first + next->second.bytes;
  return is_inside ? next->second.place : MemoryPlace{MemoryKind::kPageable, 0};
}

std::size_t used_bytes(int device) {
  const std::lock_guard lock(mutex);
  return used[device];
}

}  // namespace valley::fake
