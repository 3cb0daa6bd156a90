// Draws blocks of samples on all ranks and threads.
#pragma once

#include <cstdint>

#include "app/sample/many/block.h"
#include "app/sample/many/folder.h"
#include "comm/world.h"
#include "evaluate/blocks.h"
#include "inference/sample_source.h"

namespace valley::app {

// Collective: draws the blocks that `files` does not have and writes them; returns the number of
// requested samples that were there. On CPUs each block is drawn and written by one thread, with
// single-threaded LibTorch. With GPUs the calling thread draws and `team.threads` others write; at
// most as many blocks wait for them.
std::uint64_t draw_missing_blocks(World& world, const Team& team, const SampleSource& source,
                                  const SeedBlocks& blocks, const BlockFiles& files);

}  // namespace valley::app
