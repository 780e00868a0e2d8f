using System.Collections.Immutable;
using Plimsoll.Artifacts;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>The files of a folder that are models by their names, and what of it was not looked at.</summary>
/// <param name="Models">ONNX files, and of GGUF models the first file of each; ordered by path.</param>
/// <param name="Notes">A sentence for each kind of what was passed over.</param>
public sealed record FolderFiles(ImmutableArray<string> Models, ImmutableArray<string> Notes)
{
    public const int DepthMax = 6;

    public const int FilesMax = 100_000;

    /// <summary>Looks through a folder. A link to a file counts as the file; one to a folder is not followed.</summary>
    public static FolderFiles Of(string folder) => new Walk(folder).Found();

    private sealed class Walk(string folder)
    {
        private readonly string _root = Path.GetFullPath(folder);
        private readonly SortedSet<string> _models = new(StringComparer.Ordinal);
        private readonly SortedSet<string> _links = new(StringComparer.Ordinal);
        private readonly List<string> _projectors = [];
        private readonly List<string> _notes = [];
        private int _files;
        private int _hidden;
        private int _deep;
        private int _linkedFolders;
        private int _leadNowhere;
        private int _thereAlready;

        public FolderFiles Found()
        {
            Look();
            TakeLinks();
            foreach (var projector in _projectors) NoteUnlessUsed(projector);
            Note(_hidden, "hidden file or folder is", "hidden files or folders are", "not looked at");
            Note(_deep, "folder is", "folders are", $"not looked at, more than {DepthMax} below the one named");
            // A linked folder can lead round in a circle, and to everything else on this machine.
            Note(_linkedFolders, "link to a folder is", "links to folders are", "not followed");
            Note(_leadNowhere, "link is", "links are", "left out, which no file is behind");
            Note(_thereAlready, "link is", "links are", "left out, to files that are there already");
            if (_files > FilesMax) _notes.Add($"only the first {FilesMax} files are looked at; a fleet file can name others");
            return new FolderFiles([.. _models.Select(Shown)], [.. _notes]);
        }

        private void Look()
        {
            var options = new EnumerationOptions { IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };
            var open = new Queue<(DirectoryInfo Folder, int Depth)>([(new DirectoryInfo(_root), 0)]);
            while (open.TryDequeue(out var next))
            {
                foreach (var entry in next.Folder.EnumerateFileSystemInfos("*", options))
                {
                    if (entry is DirectoryInfo below)
                    {
                        if (entry.Attributes.HasFlag(FileAttributes.Hidden)) _hidden++;
                        else if (entry.LinkTarget is not null) _linkedFolders++;
                        else if (next.Depth == DepthMax) _deep++;
                        else open.Enqueue((below, next.Depth + 1));
                    }
                    else if (++_files > FilesMax)
                    {
                        return;
                    }
                    else if (IsModel(entry.Name))
                    {
                        Take(entry);
                    }
                }
            }
        }

        private void Take(FileSystemInfo file)
        {
            if (file.Attributes.HasFlag(FileAttributes.Hidden)) _hidden++;
            else if (GgufNames.IsProjector(file.Name)) _projectors.Add(file.FullName);
            else if (GgufNames.FirstSplitOf(file.Name) is { } first)
            {
                if (!File.Exists(Beside(file.FullName, first))) _notes.Add($"left out: {Show.Text(Shown(file.FullName), 200)}, as '{Show.Text(first, 100)}' is not beside it");
            }
            else if (file.LinkTarget is null) _models.Add(file.FullName);
            else _links.Add(file.FullName);
        }

        // What a hub's cache shows as a model's files are links to where it keeps them.
        private void TakeLinks()
        {
            var targets = _models.ToHashSet(StringComparer.Ordinal);
            foreach (var link in _links)
            {
                if (TargetOf(link) is not { } target) _leadNowhere++;
                else if (targets.Add(target)) _models.Add(link);
                else _thereAlready++;
            }
        }

        // A pipe or a device has no length, and would be read for ever.
        private static string? TargetOf(string link)
        {
            try
            {
                return File.ResolveLinkTarget(link, returnFinalTarget: true) is FileInfo { Exists: true, Length: > 0 } target ? target.FullName : null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }

        // As the reader of headers has it: one model beside it is the one it belongs to.
        private void NoteUnlessUsed(string projector)
        {
            var beside = _models.Count(model => model.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && Path.GetDirectoryName(model) == Path.GetDirectoryName(projector));
            if (beside != 1) _notes.Add($"left out: {Show.Text(Shown(projector), 200)}, as {(beside == 0 ? "no model lies" : $"{beside} models lie")} beside it; a projector alone with its model is given to it");
        }

        private void Note(int count, string one, string many, string what)
        {
            if (count > 0) _notes.Add($"{count} {(count == 1 ? one : many)} {what}");
        }

        private string Shown(string path) => Path.Combine(folder, Path.GetRelativePath(_root, path));

        private static string Beside(string path, string name) => Path.Combine(Path.GetDirectoryName(path)!, name);

        private static bool IsModel(string name) =>
            name.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
    }
}
