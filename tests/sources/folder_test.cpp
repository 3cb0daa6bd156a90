#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "core/error.h"
#include "encoded_images.h"
#include "sources/encoded_source.h"
#include "sources/folder_files.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

class FolderTest : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  void put_image(const std::string& name) const { put(name, png_of(test_picture(3, 4, 3))); }
  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> found;
    for (const FileEntry& entry : list_folder(folder_.path()).entries) found.push_back(entry.path);
    return found;
  }
  static std::string reason(const std::variant<Image, Reject>& result) {
    const auto* reject = std::get_if<Reject>(&result);
    return reject == nullptr ? "none" : reject->reason;
  }

  [[nodiscard]] std::unique_ptr<FolderFiles> files() const {
    return std::make_unique<FolderFiles>(folder_.path());
  }

  TemporaryFolder folder_;
};

TEST_F(FolderTest, IsSortedByBytesWithExtensionsInAnyCase) {
  for (const char* name : {"b.png", "a/x.JPG", "a-b.jpeg", "B.WebP", "\xC3\xA4.jpe", "a/.h.png",
                           ".git/x.png", "notes.txt", "png", "x.png.bak"})
    put(name, "");
  EXPECT_EQ(paths(),
            (std::vector<std::string>{"B.WebP", "a-b.jpeg", "a/x.JPG", "b.png", "\xC3\xA4.jpe"}));
  const FolderListing listing = list_folder(folder_.path());
  EXPECT_EQ(listing.hidden, 2U);
  EXPECT_EQ(listing.others,
            (std::map<std::string, std::uint64_t>{{"", 1}, {".bak", 1}, {".txt", 1}}));
}

TEST_F(FolderTest, LinksAreFollowedOnceAndLoopsEnd) {
  put("real/a.png", "");
  fs::create_directory_symlink("real", folder_ / "also");
  fs::create_directory_symlink("..", folder_ / "real/up");
  TemporaryFolder elsewhere;
  std::ofstream(elsewhere / "z.png") << "";
  fs::create_directory_symlink(elsewhere.path(), folder_ / "mounted");
  EXPECT_EQ(paths(), (std::vector<std::string>{"mounted/z.png", "real/a.png"}));
  EXPECT_EQ(list_folder(folder_.path()).repeated_links,
            (std::vector<std::string>{"also", "real/up"}));
}

TEST_F(FolderTest, AMissingFolderIsAMissingInput) {
  try {
    static_cast<void>(list_folder(folder_ / "none"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kMissingInput);
    EXPECT_NE(std::string(error.what()).find("none"), std::string::npos);
  }
}

TEST(EscapedName, KeepsUtf8AndEscapesOtherBytes) {
  EXPECT_EQ(escaped_name("a/\xC3\xA4 \xF0\x9F\x98\x80.png"), "a/\xC3\xA4 \xF0\x9F\x98\x80.png");
  EXPECT_EQ(escaped_name("\xE4\n\t\\\x7F"), "\\xE4\\x0A\\x09\\x5C\\x7F");
  EXPECT_EQ(escaped_name("\xC0\xAF"), "\\xC0\\xAF");                    // overlong
  EXPECT_EQ(escaped_name("\xED\xA0\x80"), "\\xED\\xA0\\x80");           // half of a surrogate pair
  EXPECT_EQ(escaped_name("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(escaped_name("\xE2\x82"), "\\xE2\\x82");                    // truncated
}

TEST_F(FolderTest, FilesThatChangeAfterTheListingAreRejects) {
  for (const char* name : {"gone.png", "grown.png", "kept.png", "pipe.png", "secret.png"})
    put_image(name);
  const EncodedSource source(files(), {});
  fs::remove(folder_ / "gone.png");
  std::ofstream(folder_ / "grown.png", std::ios::app) << "more";
  fs::remove(folder_ / "pipe.png");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.png").c_str(), 0600), 0);
  fs::remove(folder_ / "secret.png");
  fs::create_symlink("secret.png", folder_ / "secret.png");
  const auto reader = source.open_reader();
  std::vector<std::string> reasons;
  for (std::uint64_t i = 0; i < source.size(); ++i) {
    reasons.push_back(source.name(i) + ": " + reason(reader->load(i)));
    reader->done();
  }
  EXPECT_EQ(reasons, (std::vector<std::string>{"gone.png: cannot be read", "grown.png: changed",
                                               "kept.png: none", "pipe.png: changed",
                                               "secret.png: cannot be read"}));
}

TEST_F(FolderTest, TheIdentityIsNamesSizesAndLabelsButNotTimes) {
  put_image("a/1.png");
  put_image("b/2.png");
  const auto identity = [this](EncodedOptions options = {}) {
    return EncodedSource(files(), std::move(options)).identity_json();
  };
  const std::string first = identity();
  fs::last_write_time(folder_ / "a/1.png", fs::file_time_type::min());
  EXPECT_EQ(identity(), first);
  EXPECT_NE(identity({.labels = {LabelKind::kNone}}), first);
  EXPECT_NE(identity({.decode = {.apply_exif = false}}), first);
  EXPECT_NE(identity({.min_size = 2}), first);
  fs::rename(folder_ / "b/2.png", folder_ / "b/3.png");
  EXPECT_NE(identity(), first);
  EXPECT_EQ(first.find(folder_.path().string()), std::string::npos)
      << "contains a path of this host";
}

TEST_F(FolderTest, AutomaticLabelsNeedTwoClasses) {
  put_image("only/1.png");
  const EncodedSource one(files(), {});
  EXPECT_EQ(one.label(0), -1);
  EXPECT_NE(one.label_warning().find("--labels dirs"), std::string::npos);
  EXPECT_EQ(EncodedSource(files(), {.labels = {LabelKind::kDirs}}).label(0), 0);
  put_image("second/2.png");
  const EncodedSource two(files(), {});
  EXPECT_EQ(two.class_names(), (std::vector<std::string>{"only", "second"}));
  EXPECT_EQ(two.label(1), 1);
  EXPECT_EQ(two.label_warning(), "");
  EXPECT_TRUE(two.notes().empty());
}

}  // namespace
}  // namespace valley
