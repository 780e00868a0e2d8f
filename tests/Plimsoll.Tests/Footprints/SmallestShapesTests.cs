namespace Plimsoll.Tests.Footprints;

/// <summary>The smallest shapes on devices named by hand, and on the whole catalogue.</summary>
public class SmallestShapesTests
{
    private static readonly Footprint Model = HandShapes.Llama31();

    private static ServingVariant Template => new() { Device = HandShapes.H100, Context = 4096, MemoryFraction = 0.9 };

    [Theory]
    [InlineData(79.19, 1)]
    [InlineData(22.0, 1)]
    [InlineData(15.5, 2)]
    [InlineData(10.0, 2)]
    [InlineData(7.0, 4)]
    public void Fewer_bytes_a_device_take_more_devices(double gib, int devices)
    {
        var shape = SmallestShapes.Of(Model, Template, [HandShapes.Device("some", gib)])[0];
        Assert.Equal(devices, shape.Devices);
        Assert.True(shape.Report!.Fits);
    }

    [Fact]
    public void Ranks_of_one_stage_come_before_stages()
    {
        var shape = SmallestShapes.Of(Model, Template, [HandShapes.Device("some", 15.5)])[0];
        Assert.Equal((2, 1), (shape.Report!.Variant.TensorParallel, shape.Report.Variant.PipelineParallel));
    }

    [Fact]
    public void Slices_take_stages_because_they_share_no_link()
    {
        var slice = HandShapes.Device("h100-80gb-1g.10gb", 9.5, sliceOf: "h100-80gb");
        var shape = SmallestShapes.Of(Model, Template, [slice])[0];
        Assert.Equal(1, shape.Report!.Variant.TensorParallel);
        Assert.True(shape.Report.Variant.PipelineParallel > 1);
    }

    [Fact]
    public void A_device_too_small_for_one_layer_has_no_shape()
    {
        var shape = SmallestShapes.Of(Model, Template, [HandShapes.Device("tiny", 1)], devicesMax: 16)[0];
        Assert.Null(shape.Report);
        Assert.Equal(0, shape.Devices);
    }

    [Fact]
    public void The_answer_is_in_the_catalogues_order_and_16_GB_of_weights_fit_one_device_above_22_GiB()
    {
        var devices = DeviceCatalogue.BuiltIn.Accelerators.OrderBy(device => device.Memory).ThenBy(device => device.Name, StringComparer.Ordinal)
            .Where(device => device.SliceOf is null && device.LinkDomainDevices <= 8).ToList();
        var shapes = SmallestShapes.Of(Model, Template, devices, devicesMax: 16);
        Assert.Equal(devices.Select(device => device.Name), shapes.Select(shape => shape.Device.Name));
        foreach (var shape in shapes) Assert.Equal(shape.Device.Memory > Bytes.GiB(22), shape.Devices == 1);
    }
}
