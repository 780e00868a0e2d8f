using System.Reflection;

namespace Plimsoll.Tests;

public class BrainReferencesTests
{
    [Fact]
    public void The_brain_references_only_the_base_class_library()
    {
        var foreign = Assembly.Load("Plimsoll").GetReferencedAssemblies()
            .Select(reference => reference.Name!)
            .Where(name => !name.StartsWith("System.", StringComparison.Ordinal) && name != "netstandard" && name != "mscorlib");
        Assert.Empty(foreign);
    }
}
