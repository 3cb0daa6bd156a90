// The picture of `valley restore`: truth, damage, fill and restoration above one another.
#pragma once

#include <filesystem>

#include "app/restoration.h"

namespace valley::app {

// A column an image, eight a band; PSNR against the truth (of the whole image) and energy stand
// under each. Error kConfig for a picture that no PNG can be.
void write_picture(const std::filesystem::path& path, const Restoration& restoration);

}  // namespace valley::app
